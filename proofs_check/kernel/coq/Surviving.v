(** A head of which one feature block is left: a query, that block of [W_K], the keys' features in it, and their row. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors.
From Localist Require Row.
Import ListNotations.
Open Scope R_scope.

(** Width of query and key, features in the block; the query, [W_K] by feature and column, features of the target keys
    and of the others, temperature. *)
Record head := Head {
  width : nat; features : nat; query : nat -> R; W_K : nat -> nat -> R;
  inside : list (nat -> R); outside : list (nat -> R); temperature : R
}.

Definition possible (a : head) : Prop :=
  (0 < width a)%nat /\ inside a <> [] /\ outside a <> [] /\ 0 < temperature a.

Lemma some_instance : exists a, possible a.
Proof. exists (Head 1 1 (fun _ => 1) (fun _ _ => 1) [fun _ => 1] [fun _ => 0] 1). unfold possible. simpl. repeat split; try lra; try discriminate. constructor. Qed.

Definition d_k (a : head) : R := INR (width a).
(** Score of a key: the query against the key that its features give, over the root of the width. *)
Definition score (a : head) (x : nat -> R) : R :=
  sum (fun c => query a c * sum (fun f => x f * W_K a f c) (seq 0 (features a))) (seq 0 (width a)) / sqrt (d_k a).

(** The attention row of that query; what the row's definitions ask for besides is at rest. *)
Definition row_of (a : head) : Row.row :=
  let to_key x := Row.Key (score a x) 0 (score a x) 1 in
  Row.Row (map to_key (inside a)) (map to_key (outside a)) (temperature a) 0 0 (1 / 2) (1 / 2) 0.

Definition m (a : head) : R := Row.m (row_of a).
Definition k (a : head) : R := Row.k (row_of a).
Definition tau (a : head) : R := temperature a.
Definition delta (a : head) : R := Row.delta (row_of a).
Definition epsilon (a : head) : R := Row.epsilon (row_of a).
Definition H (a : head) : R := Row.H (row_of a).

(** Least score of a target key, largest norm of another's features, and norm of [W_K q]. *)
Definition s_in (a : head) : R := least (score a) (inside a).
Definition kappa (a : head) : R := largest (fun x => norm x (seq 0 (features a))) (outside a).
Definition pulled (a : head) (f : nat) : R := sum (fun c => W_K a f c * query a c) (seq 0 (width a)).
Definition chi (a : head) : R := norm (pulled a) (seq 0 (features a)).
