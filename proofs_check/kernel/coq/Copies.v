(** A row whose block is copies of one anchor, and the same row with other numbers of copies. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row.
Import ListNotations.
Open Scope R_scope.

(** The score of a copy, by how much that of the last one is off, and the scores outside; how many copies there are, and
    two other numbers; the temperature; the leak a user asks for. *)
Record copied := Copied {
  height : R; stray : R; outside : list R; copies : nat; few : nat; many : nat; tau : R; epsilon_target : R
}.

Definition possible (a : copied) : Prop :=
  outside a <> [] /\ (0 < copies a)%nat /\ (0 < few a)%nat /\ (0 < many a)%nat /\ 0 < tau a /\ 0 < epsilon_target a < 1.

(** All copies have one score. *)
Definition equal_copies (a : copied) : Prop := stray a = 0.

(** The row with [n] copies, all raised by [up]. *)
Definition scored (s : R) : key := Key s 0 0 1.
Definition block_of (a : copied) (n : nat) (up : R) : list R :=
  repeat (height a + up) (n - 1) ++ [height a + up + stray a].
Definition with_copies (a : copied) (n : nat) (up : R) : row :=
  Row (map scored (block_of a n up)) (map scored (outside a)) (tau a) 0 0 (1 / 2) (1 / 2) 0.
Definition its_row (a : copied) : row := with_copies a (copies a) 0.
(** One copy, raised by as much as all weigh together. *)
Definition one_up (a : copied) : row := with_copies a 1 (tau a * ln (INR (copies a))).

Definition k (a : copied) : R := Row.k (its_row a).
Definition Delta (a : copied) : R := Row.Delta (its_row a).
Definition epsilon (a : copied) : R := Row.epsilon (its_row a).
Definition H (a : copied) : R := Row.H (its_row a).
Definition H_1 (a : copied) : R := Row.H_1 (its_row a).
Definition sbar_B (a : copied) : R := Row.sbar_B (its_row a).
Definition sbar_C (a : copied) : R := Row.sbar_C (its_row a).
Definition R_u (a : copied) : R := INR (copies a).
Definition R_few (a : copied) : R := INR (few a).
Definition R_many (a : copied) : R := INR (many a).
Definition epsilon_one (a : copied) : R := Row.epsilon (with_copies a 1 0).
Definition epsilon_few (a : copied) : R := Row.epsilon (with_copies a (few a) 0).
Definition epsilon_up (a : copied) : R := Row.epsilon (one_up a).
Definition H_up (a : copied) : R := Row.H (one_up a).
Definition H_few (a : copied) : R := Row.H (with_copies a (few a) 0).
Definition H_many (a : copied) : R := Row.H (with_copies a (many a) 0).
