(** The causal rows of a whole context, windows of equal size as the queries' targets, and what A7 measures on them. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums.
From Localist Require Row.
Import ListNotations.
Open Scope R_scope.

(** How many tokens, keys in a window and own keys a query needs to count; the score of query and key, over the
    temperature; the leak asked for. *)
Record context := Context { tokens : nat; keys : nat; own : nat; score : nat -> nat -> R; epsilon_target : R }.

Definition possible (a : context) : Prop :=
  (0 < tokens a)%nat /\ (0 < keys a)%nat /\ (0 < own a)%nat /\ 0 < epsilon_target a < 1.

Definition T (a : context) : R := INR (tokens a).
Definition b_w (a : context) : R := INR (keys a).
Definition m_0 (a : context) : R := INR (own a).

(** Query [q] sees keys 0 to [q]: so many outside its window, and so many of its own. *)
Definition outside (a : context) (q : nat) : nat := q - q mod keys a.
Definition inside (a : context) (q : nat) : nat := S (q mod keys a).
(** The queries with a key outside and enough of their own. *)
Definition counted (a : context) : list nat :=
  filter (fun q => (1 <=? outside a q) && (own a <=? inside a q))%nat%bool (seq 0 (tokens a)).

Definition to_key (a : context) (q j : nat) : Row.key := Row.Key (score a q j) 0 (score a q j) 1.
(** A query's row, whose block is the part of its own window that it sees. *)
Definition row_of (a : context) (q : nat) : Row.row :=
  Row.Row (map (to_key a q) (seq (outside a q) (inside a q))) (map (to_key a q) (seq 0 (outside a q)))
    1 0 0 (1 / 2) (1 / 2) 0.

Definition ratio (a : context) (q : nat) : R := INR (outside a q) / INR (inside a q).
Definition rho_T (a : context) : R := largest (ratio a) (counted a).
Definition d_T (a : context) : R := least (fun q => Row.d (row_of a q)) (counted a).
Definition epsilon_T (a : context) : R := largest (fun q => Row.epsilon (row_of a q)) (counted a).
Definition H_T (a : context) : R := largest (fun q => Row.H (row_of a q)) (counted a).
(** The same, were every row two-level at that separation. *)
Definition level_row (a : context) (q : nat) : Row.row := Row.two_level_at (d_T a) (row_of a q).
Definition epsilon_most (a : context) : R := largest (fun q => Row.epsilon (level_row a q)) (counted a).
Definition H_most (a : context) : R := largest (fun q => Row.H (level_row a q)) (counted a).

Definition share_T (a : context) : R :=
  sum (fun q => if Rle_dec (Row.epsilon (level_row a q)) (epsilon_target a) then 1 else 0) (counted a)
  / count (counted a).
Definition share_rho (a : context) : R :=
  sum (fun q => if Rle_dec (ratio a q) (epsilon_target a * exp (d_T a) / (1 - epsilon_target a)) then 1 else 0)
    (counted a)
  / count (counted a).
