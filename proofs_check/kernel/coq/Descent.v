(** A run of proximal gradient descent on one block of weights, with gradients as they came and heavy-ball momentum. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors.
Import ListNotations.
Open Scope R_scope.

Definition vector := nat -> R.
(** Entries of the block, its start and its momentum buffer, the gradients, learning rate, penalty, momentum, and the
    learning rate of every step, counted from 1, of the run that follows a schedule. *)
Record descent := Descent {
  size : nat; start : vector; buffer : vector; gradients : list vector; eta : R; lambda_g : R; mu : R; rate : nat -> R
}.

Definition possible (a : descent) : Prop :=
  gradients a <> [] /\ 0 < eta a /\ 0 < lambda_g a /\ 0 <= mu a < 1 /\ (forall t, 0 <= rate a t).

Lemma some_instance : exists a, possible a.
Proof.
  exists (Descent 1 (fun _ => 1) (fun _ => 0) [fun _ => 0] 1 1 0 (fun _ => 1)). unfold possible. simpl.
  repeat split; intros; try lra. discriminate.
Qed.

Definition length (a : descent) (x : vector) : R := norm x (seq 0 (size a)).

(** The proximal map of [t |u|]: nothing is left of a vector no longer than [t]. *)
Definition shrunk (a : descent) (t : R) (x : vector) : vector :=
  fun i => if Rle_dec (length a x) t then 0 else (1 - t / length a x) * x i.
(** One step of rate [e] from weights [x] with the buffer [b] already updated: the proximal map comes last. *)
Definition moved (a : descent) (e : R) (x b : vector) : vector := shrunk a (e * lambda_g a) (fun i => x i - e * b i).
Definition stepped (a : descent) (x b : vector) : vector := moved a (eta a) x b.

(** The block before the first step and after each, the buffer decaying by [decay]. *)
Fixpoint states (a : descent) (decay : R) (x b : vector) (gs : list vector) : list vector :=
  x :: match gs with
       | [] => []
       | g :: rest => let b' := fun i => decay * b i + g i in states a decay (stepped a x b') b' rest
       end.

(** First step from which the block is zero. *)
Fixpoint first_zero (a : descent) (xs : list vector) : nat :=
  match xs with
  | [] => 0
  | x :: rest => match first_zero a rest with
                 | S n => S (S n)
                 | O => if Req_EM_T (length a x) 0 then 0 else 1
                 end
  end.

Definition w_0 (a : descent) : R := length a (start a).
Definition w_1 (a : descent) : R := length a (stepped a (start a) (hd (fun _ => 0) (gradients a))).
Definition b_0 (a : descent) : R := length a (buffer a).
Definition G (a : descent) : R := largest (length a) (gradients a).
Definition N_0 (a : descent) : R := INR (first_zero a (states a 0 (start a) (buffer a) (gradients a))).
Definition N_mu (a : descent) : R := INR (first_zero a (states a (mu a) (start a) (buffer a) (gradients a))).

(** The buffer and the block after the last of the steps, the rates following the schedule from step [t] on. *)
Fixpoint last_buffer (a : descent) (b : vector) (gs : list vector) : vector :=
  match gs with [] => b | g :: rest => last_buffer a (fun i => mu a * b i + g i) rest end.
Fixpoint last_state (a : descent) (t : nat) (x b : vector) (gs : list vector) : vector :=
  match gs with
  | [] => x
  | g :: rest => let b' := fun i => mu a * b i + g i in last_state a (S t) (moved a (rate a t) x b') b' rest
  end.
Definition steps (a : descent) : nat := List.length (gradients a).
Definition mu_T (a : descent) : R := mu a ^ steps a.
Definition b_T (a : descent) : R := length a (last_buffer a (buffer a) (gradients a)).
Definition w_T (a : descent) : R := length a (last_state a 1 (start a) (buffer a) (gradients a)).
(** What every step takes off the block at least, from an empty buffer. *)
Definition gamma_mu (a : descent) : R :=
  sum (fun t => rate a t * (lambda_g a - G a * (1 - mu a ^ t) / (1 - mu a))) (seq 1 (steps a)).
