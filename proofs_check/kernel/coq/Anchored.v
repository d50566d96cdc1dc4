(** A head whose keys lie near unit anchors, one query, and the row that they give. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors.
From Localist Require Row.
Import ListNotations.
Open Scope R_scope.

(** A key: the number of its anchor, and the vector. *)
Record key := Key { owner : nat; vector : nat -> R }.
(** Width of query and keys, how many anchors, these, the query, the keys, the temperature, the leak a user asks for. *)
Record anchored := Anchored {
  width : nat; anchors : nat; anchor : nat -> nat -> R; query : nat -> R; keys : list key; tau : R; epsilon_target : R
}.

Definition coordinates (a : anchored) : list nat := seq 0 (width a).
Definition inner (a : anchored) (u v : nat -> R) : R := sum (fun c => u c * v c) (coordinates a).
Definition length_of (a : anchored) (u : nat -> R) : R := norm u (coordinates a).
Definition direction (a : anchored) (i : key) (c : nat) : R := vector i c / length_of a (vector i).

(** The keys of the query's own anchor, the first one, are the block. *)
Definition block (a : anchored) : list key := filter (fun i => Nat.eqb (owner i) 0) (keys a).
Definition others (a : anchored) : list key := filter (fun i => negb (Nat.eqb (owner i) 0)) (keys a).

(** Scale: length of the query times that of the longest key over the root of the width. *)
Definition alpha (a : anchored) : R :=
  length_of a (query a) * largest (fun i => length_of a (vector i)) (keys a) / sqrt (INR (width a)).
(** Coherence: largest inner product of two different anchors. *)
Definition pairs (a : anchored) : list (nat * nat) :=
  flat_map (fun i => map (pair i) (seq 0 i)) (seq 0 (anchors a)).
Definition mu_u (a : anchored) : R := largest (fun p => inner a (anchor a (fst p)) (anchor a (snd p))) (pairs a).
(** Largest distance of a key's direction from its anchor. *)
Definition eta_u (a : anchored) : R :=
  largest (fun i => length_of a (fun c => direction a i c - anchor a (owner i) c)) (keys a).

Definition possible (a : anchored) : Prop :=
  block a <> [] /\ others a <> [] /\ (forall i, In i (keys a) -> (owner i < anchors a)%nat) /\
  0 < tau a /\ 0 < epsilon_target a < 1 /\ 0 < alpha a.

(** Every anchor has length 1; the query points along the first; all keys have one length. *)
Definition unit_anchors (a : anchored) : Prop := forall i, (i < anchors a)%nat -> length_of a (anchor a i) = 1.
Definition along_its_anchor (a : anchored) : Prop :=
  forall c, In c (coordinates a) -> query a c = length_of a (query a) * anchor a 0 c.
Definition equal_keys (a : anchored) : Prop :=
  forall i j, In i (keys a) -> In j (keys a) -> length_of a (vector i) = length_of a (vector j).

(** The attention row of the query; what the row's definitions ask for besides is at rest. *)
Definition score (a : anchored) (i : key) : R := inner a (query a) (vector i) / sqrt (INR (width a)).
Definition row_of (a : anchored) : Row.row :=
  let to_key i := Row.Key (score a i) 0 0 1 in
  Row.Row (map to_key (block a)) (map to_key (others a)) (tau a) 0 0 (1 / 2) (1 / 2) 0.

Definition m (a : anchored) : R := Row.m (row_of a).
Definition k (a : anchored) : R := Row.k (row_of a).
Definition delta (a : anchored) : R := Row.delta (row_of a).
Definition epsilon (a : anchored) : R := Row.epsilon (row_of a).
