(** A group-sparse attention row: the maximiser of the group-penalised objective, and the letters measured on it. *)
Require Import Reals List Permutation.
From Localist Require Import Functions Sums Vectors.
From Localist Require Chosen Row.
Import ListNotations.
Open Scope R_scope.

(** A group of keys outside the block, and its penalty. *)
Record group := Group { members : list nat; penalty : R }.

(** How many keys the block holds and how many there are outside, the groups, each key's score, the temperature, the
    level at which the block alone takes all mass, the row's masses, and the unnormalised masses of an arbitrary
    distribution. The block's keys come first. *)
Record sparse := Sparse {
  inside : nat; outside : nat; groups : list group; score : nat -> R; tau : R; nu_B : R; mass : nat -> R;
  weight : nat -> R
}.

Definition block (a : sparse) : list nat := seq 0 (inside a).
Definition others (a : sparse) : list nat := seq (inside a) (outside a).
Definition keys (a : sparse) : list nat := block a ++ others a.

(** The simplex, and the objective [<s,p> - (tau/2)|p|^2 - sum_g lambda_g |p_g|_2]. *)
Definition distribution (a : sparse) (p : nat -> R) : Prop := (forall i, In i (keys a) -> 0 <= p i) /\ sum p (keys a) = 1.
Definition objective (a : sparse) (p : nat -> R) : R :=
  sum (fun i => score a i * p i) (keys a) - tau a / 2 * sum (fun i => p i ^ 2) (keys a)
  - sum (fun g => penalty g * norm p (members g)) (groups a).
Definition maximises (a : sparse) : Prop :=
  distribution a (mass a) /\ forall p, distribution a p -> objective a p <= objective a (mass a).

(** A key's score above a level, 0 below it. *)
Definition above (a : sparse) (x : R) (i : nat) : R := Rmax (score a i - x) 0.

Definition possible (a : sparse) : Prop :=
  (0 < inside a)%nat /\ (0 < outside a)%nat /\ 0 < tau a /\ (forall g, In g (groups a) -> 0 < penalty g) /\
  sum (above a (nu_B a)) (block a) = tau a /\ maximises a /\
  (forall i, In i (keys a) -> 0 <= weight a i) /\ 0 < sum (weight a) (keys a).

(** Each key outside the block is in one group, at one place, and no group is empty. *)
Definition groups_cover (a : sparse) : Prop :=
  Permutation (flat_map members (groups a)) (others a) /\ forall g, In g (groups a) -> members g <> [].

Definition m (a : sparse) : R := count (block a).
Definition delta (a : sparse) : R := least (score a) (block a) - largest (score a) (others a).
Definition delta_mean (a : sparse) : R := mean (score a) (block a) - largest (score a) (others a).
Definition epsilon_s (a : sparse) : R := sum (mass a) (others a).
Definition H_s (a : sparse) : R := sum (fun i => Row.surprise (mass a i)) (keys a).
Definition J_s (a : sparse) : R := objective a (mass a).
Definition J_p (a : sparse) : R := objective a (fun i => weight a i / sum (weight a) (keys a)).

(** The largest over [j] of the mean of the block's [j] largest scores, less [tau / j]. *)
Definition nu (a : sparse) : R :=
  largest (fun j => (sum (fun s => s) (firstn j (Chosen.sorted (map (score a) (block a)))) - tau a) / INR j)
    (seq 1 (inside a)).
Definition omega (a : sparse) : R :=
  largest (fun g => norm (above a (nu a)) (members g) / penalty g) (groups a).
Definition lambda_min (a : sparse) : R := least (fun g => penalty g / sqrt (count (members g))) (groups a).
