(** A run of AdamW, or of its AMSGrad form, on one block of weights, with gradients as they came: every step ends with
    the proximal step. *)
Require Import Reals Lra List Arith.
From Localist Require Import Functions Sums Vectors Geometric.
Open Scope R_scope.

Definition vector := nat -> R.
(** Entries of the block, its start, the steps of the run, and the gradient and learning rate of each, counted from 1;
    penalty, Adam's decays, its stabiliser epsilon, weight decay; the first steps may only fill Adam's memory. *)
Record run := Run {
  size : nat; start : vector; steps : nat; gradient : nat -> vector; rate : nat -> R; lambda_g : R;
  beta_1 : R; beta_2 : R; stabiliser : R; decay : R; amsgrad : bool; warmup : nat
}.

Definition possible (a : run) : Prop :=
  (0 < steps a)%nat /\ (forall t, 0 <= rate a t) /\ 0 <= stabiliser a /\ 0 < lambda_g a /\ 0 <= beta_1 a < 1 /\
  0 < beta_2 a < 1.

Definition bounded_decay (a : run) : Prop := forall t, (1 <= t <= steps a)%nat -> 0 <= rate a t * decay a <= 1.

Definition length (a : run) (x : vector) : R := norm x (seq 0 (size a)).

Lemma some_instance : exists a, possible a.
Proof.
  exists (Run 1 (fun _ => 1) 1 (fun _ _ => 0) (fun _ => 1) 1 0 (1 / 2) 0 0 false 0). unfold possible. simpl.
  repeat split; intros; try lra; apply Nat.lt_0_1.
Qed.

(** Adam's memory after [t] steps: the mean gradient, the mean square, and the largest mean square so far. *)
Fixpoint mean_gradient (a : run) (t : nat) : vector := match t with
  | O => fun _ => 0
  | S s => fun i => beta_1 a * mean_gradient a s i + (1 - beta_1 a) * gradient a t i
  end.
Fixpoint mean_square (a : run) (t : nat) : vector := match t with
  | O => fun _ => 0
  | S s => fun i => beta_2 a * mean_square a s i + (1 - beta_2 a) * gradient a t i ^ 2
  end.
Fixpoint most (a : run) (t : nat) : vector := match t with
  | O => fun _ => 0
  | S s => fun i => Rmax (most a s i) (mean_square a t i)
  end.
Definition divisor (a : run) (t : nat) : vector := if amsgrad a then most a t else mean_square a t.
(** The bias-corrected update; at a coordinate that never had a gradient it is [0/0], here 0. *)
Definition update (a : run) (t : nat) : vector := fun i =>
  mean_gradient a t i / (1 - beta_1 a ^ t) / (sqrt (divisor a t i / (1 - beta_2 a ^ t)) + stabiliser a).

(** The proximal map of [t |u|]: nothing is left of a vector no longer than [t]. *)
Definition shrunk (a : run) (t : R) (x : vector) : vector :=
  fun i => if Rle_dec (length a x) t then 0 else (1 - t / length a x) * x i.
(** Step [t]: weight decay and Adam's update, the proximal map last. *)
Definition moved (a : run) (t : nat) (x : vector) : vector :=
  shrunk a (rate a t * lambda_g a) (fun i => (1 - rate a t * decay a) * x i - rate a t * update a t i).
(** The block after [t] steps. *)
Fixpoint state (a : run) (t : nat) : vector := match t with
  | O => start a
  | S s => if (t <=? warmup a)%nat then state a s else moved a t (state a s)
  end.

(** The largest coordinate of an update at step [t], by the inequality of Cauchy-Schwarz. *)
Definition reach (a : run) (t : nat) : R :=
  sqrt (geometric (beta_2 a) t * geometric (beta_1 a ^ 2 / beta_2 a) t / geometric (beta_1 a) t ^ 2).

Definition beta_1_t (a : run) : R := beta_1 a ^ steps a.
Definition beta_2_t (a : run) : R := beta_2 a ^ steps a.
Definition p (a : run) : R := INR (size a).
Definition w_0 (a : run) : R := length a (start a).
Definition w_T (a : run) : R := length a (state a (steps a)).
Definition u_t (a : run) : R := largest (fun i => Rabs (update a (steps a) i)) (seq 0 (size a)).
(** What every step takes off the block at least. *)
Definition gamma_T (a : run) : R :=
  sum (fun t => if (t <=? warmup a)%nat then 0 else rate a t * (lambda_g a - sqrt (p a) * reach a t)) (seq 1 (steps a)).
