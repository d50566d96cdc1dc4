(** The heads of a layer on one query, and how far their outputs move when the keys off the block are dropped. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Vectors.
From Localist Require Row.
Import ListNotations.
Open Scope R_scope.

(** How many keys the block holds and how many there are outside, how many heads, coordinates of a value and of the
    output; each head's scores, values by key and coordinate, and rows of the output projection; a temperature; and the
    coordinate of which a clause on one of them is. The block's keys come first. *)
Record truncated := Truncated {
  inside : nat; outside : nat; heads : nat; width : nat; outputs : nat; score : nat -> nat -> R;
  value : nat -> nat -> nat -> R; projection : nat -> nat -> nat -> R; temperature : R; here : nat
}.

Definition possible (a : truncated) : Prop := (0 < inside a)%nat /\ (0 < outside a)%nat.

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof. exists (Truncated 1 1 1 1 1 (fun _ _ => 0) (fun _ _ _ => 0) (fun _ _ _ => 0) 1 0). split; simpl; auto. Qed.

Definition block (a : truncated) : list nat := seq 0 (inside a).
Definition others (a : truncated) : list nat := seq (inside a) (outside a).
Definition keys (a : truncated) : list nat := block a ++ others a.
Definition every (a : truncated) : list nat := seq 0 (heads a).
Definition columns (a : truncated) : list nat := seq 0 (width a).
Definition rows (a : truncated) : list nat := seq 0 (outputs a).

(** The first head's row, with one coordinate of the values; what the row's definitions ask for besides is at rest. *)
Definition row_of (a : truncated) : Row.row :=
  let to_key i := Row.Key (score a 0 i) (value a 0 i (here a)) 0 1 in
  Row.Row (map to_key (block a)) (map to_key (others a)) (temperature a) 0 0 (1 / 2) (1 / 2) 0.
Definition epsilon (a : truncated) : R := Row.epsilon (row_of a).
Definition vbar_B (a : truncated) : R := Row.vbar_B (row_of a).
Definition vbar_C (a : truncated) : R := Row.vbar_C (row_of a).
Definition o_plain (a : truncated) : R := Row.o_plain (row_of a).
Definition o_B (a : truncated) : R := Row.o_B (row_of a).

(** A head's weighted mean of numbers over some keys, its leak, and the move of the mean when only the block is left. *)
Definition weight (a : truncated) (h i : nat) : R := exp (score a h i / temperature a).
Definition average (a : truncated) (h : nat) (l : list nat) (f : nat -> R) : R :=
  sum (fun i => weight a h i * f i) l / sum (weight a h) l.
Definition leak (a : truncated) (h : nat) : R := sum (weight a h) (others a) / sum (weight a h) (keys a).
Definition move (a : truncated) (h : nat) (f : nat -> R) : R := average a h (block a) f - average a h (keys a) f.

(** Values after the output projection. *)
Definition projected (a : truncated) (h i o : nat) : R := sum (fun c => value a h i c * projection a h c o) (columns a).

(** The pairs of a key in the block and one outside, how far apart their points are, and the farthest pair. *)
Definition pairs (a : truncated) : list (nat * nat) := list_prod (block a) (others a).
Definition apart (v : nat -> nat -> R) (l : list nat) (p : nat * nat) : R := norm (fun c => v (fst p) c - v (snd p) c) l.
Definition reach (a : truncated) (v : nat -> nat -> R) (l : list nat) : R := largest (apart v l) (pairs a).
Fixpoint farther (v : nat -> nat -> R) (l : list nat) (p : nat * nat) (rest : list (nat * nat)) : nat * nat :=
  match rest with
  | [] => p
  | q :: rest' => if Rle_dec (apart v l p) (apart v l q) then farther v l q rest' else farther v l p rest'
  end.
Definition farthest (a : truncated) : nat * nat := farther (value a 0) (columns a) (0%nat, inside a) (pairs a).

Definition D_cut (a : truncated) : R := reach a (value a 0) (columns a).
Definition r_cut (a : truncated) : R := norm (fun c => move a 0 (fun i => value a 0 i c)) (columns a).
(** The same, were all values on a side that of its key in the farthest pair. *)
Definition r_far (a : truncated) : R :=
  norm (fun c => move a 0 (fun i => value a 0 (if Nat.ltb i (inside a) then fst (farthest a) else snd (farthest a)) c))
    (columns a).
Definition r_layer (a : truncated) : R :=
  norm (fun o => sum (fun h => move a h (fun i => projected a h i o)) (every a)) (rows a).
Definition R_cut (a : truncated) : R := sqrt (sum (fun h => (leak a h * reach a (value a h) (columns a)) ^ 2) (every a)).
Definition S_cut (a : truncated) : R := sum (fun h => leak a h * reach a (projected a h) (rows a)) (every a).

(** The output projection of a vector for each head, and its spectral norm: the supremum over such vectors which
    together have length 1 or less. *)
Definition image (a : truncated) (x : nat -> nat -> R) (o : nat) : R :=
  sum (fun h => sum (fun c => x h c * projection a h c o) (columns a)) (every a).
Definition square (a : truncated) (x : nat -> nat -> R) : R := sum (fun h => sum (fun c => x h c ^ 2) (columns a)) (every a).
Definition W_O (a : truncated) : R :=
  real (Lub_Rbar (fun r => exists x, square a x <= 1 /\ r = norm (image a x) (rows a))).
