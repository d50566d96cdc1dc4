(** A pointer: how often it points at each block, a row of weights for each target; targets are equally likely. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

Record channel := Channel { blocks : nat; weight : nat -> nat -> R; epsilon_allowed : R }.

Definition each (a : channel) : list nat := seq 0 (blocks a).

Definition possible (a : channel) : Prop :=
  (2 <= blocks a)%nat /\ (forall i j, 0 <= weight a i j) /\ (forall i, 0 < sum (weight a i) (each a)) /\
  0 <= epsilon_allowed a <= 1.

Lemma some_instance : exists a, possible a.
Proof.
  exists (Channel 2 (fun _ _ => 1) 0). unfold possible, each; simpl. repeat split; intros; try lra; lia.
Qed.

Definition M (a : channel) : R := INR (blocks a).
(** Probability of each target with each block pointed at, and of each block pointed at. *)
Definition joint (a : channel) (i j : nat) : R := weight a i j / (sum (weight a i) (each a) * M a).
Definition pointed (a : channel) (j : nat) : R := sum (fun i => joint a i j) (each a).
(** Probability that another block than the target is pointed at. *)
Definition epsilon_M (a : channel) : R := 1 - sum (fun i => joint a i i) (each a).
(** Mutual information of target and pointed block; a term of probability 0 is 0, whatever [ln]. *)
Definition I (a : channel) : R :=
  sum (fun i => sum (fun j => joint a i j * ln (joint a i j / (sum (joint a i) (each a) * pointed a j))) (each a)) (each a).
