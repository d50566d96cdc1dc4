(** A pointer: how often each block is the target and each is pointed at, a row of weights for each target. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

Record channel := Channel { blocks : nat; weight : nat -> nat -> R; epsilon_allowed : R }.

Definition each (a : channel) : list nat := seq 0 (blocks a).

Definition total (a : channel) : R := sum (fun i => sum (weight a i) (each a)) (each a).
Definition possible (a : channel) : Prop :=
  (forall i j, 0 <= weight a i j) /\ 0 < total a /\ 0 <= epsilon_allowed a <= 1.

(** Every block is the target equally often. *)
Definition uniform_target (a : channel) : Prop :=
  forall i j, In i (each a) -> In j (each a) -> sum (weight a i) (each a) = sum (weight a j) (each a).

Definition M (a : channel) : R := INR (blocks a).
(** Probability of each target with each block pointed at, and of each block pointed at. *)
Definition joint (a : channel) (i j : nat) : R := weight a i j / total a.
Definition pointed (a : channel) (j : nat) : R := sum (fun i => joint a i j) (each a).
(** Probability that another block than the target is pointed at. *)
Definition epsilon_M (a : channel) : R := 1 - sum (fun i => joint a i i) (each a).
(** Mutual information of target and pointed block; a term of probability 0 is 0, whatever [ln]. *)
Definition I (a : channel) : R :=
  sum (fun i => sum (fun j => joint a i j * ln (joint a i j / (sum (joint a i) (each a) * pointed a j))) (each a)) (each a).
