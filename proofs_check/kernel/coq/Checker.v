(** A rule's checker over the situations in which its condition holds: caught in some, missed in others. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** A situation: how much it weighs, whether the checker fired, fidelity without the rule and with it. *)
Record situation := Situation { weight : R; fired : bool; plain : R; ruled : R }.
Definition checker := list situation.

Definition caught (a : checker) : checker := filter fired a.
Definition missed (a : checker) : checker := filter (fun i => negb (fired i)) a.

(** Weights are positive, and fidelities lie in [0, 1]. *)
Definition possible (a : checker) : Prop :=
  (forall i, In i a -> 0 < weight i /\ 0 <= plain i <= 1 /\ 0 <= ruled i <= 1).

(** Weighted average over some of the situations. *)
Definition average (f : situation -> R) (a : checker) : R := sum (fun i => weight i * f i) a / sum weight a.
(** Fidelity that the row ends up with. *)
Definition got (i : situation) : R := if fired i then ruled i else plain i.

Definition q (a : checker) : R := average (fun i => if fired i then 0 else 1) a.
Definition E_F (a : checker) : R := average got a.
Definition E_F_fired (a : checker) : R := average got (caught a).
Definition E_F0_missed (a : checker) : R := average plain (missed a).
Definition E_F0 (a : checker) : R := average plain a.
(** The promise: the least fidelity with the rule where it fired. *)
Definition f (a : checker) : R := least ruled (caught a).
