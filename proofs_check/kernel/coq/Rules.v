(** Rules that add their strengths to the scores of their targets, and what a row and an arbitrary one give them. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** How many keys and how many active rules; each key's mass before any rule, not renormalised; the keys in each rule's
    target, its strength and the fidelity it promises; the masses of an arbitrary row, not renormalised, and by how much
    each promise that it meets stays below what it gives; two keys, and one rule; the temperature. *)
Record rule_set := RuleSet {
  keys : nat; rules : nat; weight : nat -> R; target : nat -> nat -> bool; strength : nat -> R; promise : nat -> R;
  other : nat -> R; given_up : nat -> R; first : nat; second : nat; here : nat; tau : R
}.

Definition each (a : rule_set) : list nat := seq 0 (keys a).
Definition active (a : rule_set) : list nat := seq 0 (rules a).

(** Masses before any rule, and of the arbitrary row. *)
Definition plain (a : rule_set) (j : nat) : R := weight a j / sum (weight a) (each a).
Definition arbitrary (a : rule_set) (j : nat) : R := other a j / sum (other a) (each a).
(** Whether a key is in the target of a rule, as a number; mass on that target. *)
Definition member (a : rule_set) (i j : nat) : R := if target a i j then 1 else 0.
Definition fidelity (a : rule_set) (p : nat -> R) (i : nat) : R := sum (fun j => p j * member a i j) (each a).
(** Sum of the strengths of the active rules whose target holds a key. *)
Definition boost (a : rule_set) (j : nat) : R := sum (fun i => strength a i * member a i j) (active a).
(** Masses under all rules, before renormalising and after. *)
Definition multiplied (a : rule_set) (j : nat) : R := plain a j * exp (boost a j / tau a).
Definition ruled (a : rule_set) (j : nat) : R := multiplied a j / sum (multiplied a) (each a).
(** The same under one rule alone. *)
Definition multiplied_once (a : rule_set) (j : nat) : R := plain a j * exp (strength a (here a) * member a (here a) j / tau a).

Definition F (a : rule_set) : R := fidelity a (plain a) (here a).
Definition f (a : rule_set) : R := promise a (here a).
Definition b (a : rule_set) : R := strength a (here a).
Definition F_b (a : rule_set) : R :=
  fidelity a (fun j => multiplied_once a j / sum (multiplied_once a) (each a)) (here a).

(** What is asked: positive masses, and every number where its letter says. *)
Definition possible (a : rule_set) : Prop :=
  (0 < rules a)%nat /\ 0 < tau a /\ 0 < F a < 1 /\ 0 < f a < 1 /\ (forall j, 0 < weight a j) /\
  (forall i, 0 <= strength a i) /\ (forall j, 0 <= other a j) /\ 0 < sum (other a) (each a) /\
  (forall i, 0 <= given_up a i).

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof.
  exists (RuleSet 2 1 (fun _ => 1) (fun _ j => Nat.eqb j 0) (fun _ => 1) (fun _ => 1 / 2) (fun _ => 1) (fun _ => 0) 0 1 0 1).
  unfold possible, F, f, fidelity, plain, member, each; simpl. repeat split; auto; intros; lra.
Qed.

Definition o (a : rule_set) : R := plain a (first a) / plain a (second a).
Definition o_b (a : rule_set) : R := ruled a (first a) / ruled a (second a).
Definition b_i (a : rule_set) : R := boost a (first a).
Definition b_j (a : rule_set) : R := boost a (second a).
Definition b_sum (a : rule_set) : R := sum (strength a) (active a).
Definition Lambda_b (a : rule_set) : R := ln (sum (multiplied a) (each a)).
(** Promises that the arbitrary row meets. *)
Definition met (a : rule_set) (i : nat) : R := fidelity a (arbitrary a) i - given_up a i.
Definition b_f (a : rule_set) : R := sum (fun i => strength a i * met a i) (active a).
Definition b_a (a : rule_set) : R := sum (fun i => strength a i * fidelity a (ruled a) i) (active a).
(** Divergence from the plain row; a term of mass 0 is 0, whatever [ln]. *)
Definition divergence (a : rule_set) (p : nat -> R) : R := sum (fun j => p j * ln (p j / plain a j)) (each a).
Definition KL_p (a : rule_set) : R := divergence a (arbitrary a).
Definition KL_b (a : rule_set) : R := divergence a (ruled a).
Definition a_min (a : rule_set) : R := least (plain a) (each a).

(** A distribution over that many items. *)
Definition distribution (n : nat) (p : nat -> R) : Prop := (forall j, 0 <= p j) /\ sum p (seq 0 n) = 1.
(** A game: the largest over distributions over its columns of the least payoff of a row, as a supremum, and the least
    over distributions over its rows of the largest payoff of a column, as an infimum. *)
Definition floor_of (rows columns : nat) (g : nat -> nat -> R) (p : nat -> R) : R :=
  least (fun i => sum (fun j => p j * g i j) (seq 0 columns)) (seq 0 rows).
Definition ceiling_of (rows columns : nat) (g : nat -> nat -> R) (y : nat -> R) : R :=
  largest (fun j => sum (fun i => y i * g i j) (seq 0 rows)) (seq 0 columns).
Definition highest_floor (rows columns : nat) (g : nat -> nat -> R) : R :=
  real (Lub_Rbar (fun x => exists p, distribution columns p /\ x = floor_of rows columns g p)).
Definition lowest_ceiling (rows columns : nat) (g : nat -> nat -> R) : R :=
  real (Glb_Rbar (fun x => exists y, distribution rows y /\ x = ceiling_of rows columns g y)).

Definition f_star (a : rule_set) : R := highest_floor (rules a) (keys a) (member a).
Definition y_star (a : rule_set) : R := lowest_ceiling (rules a) (keys a) (member a).
Definition f_p (a : rule_set) : R := least (fidelity a (arbitrary a)) (active a).
Definition f_b (a : rule_set) : R := least (fidelity a (ruled a)) (active a).
(** The excess of a fidelity over its promise, as a game. *)
Definition excess (a : rule_set) (i j : nat) : R := member a i j - promise a i.
Definition g_star (a : rule_set) : R := highest_floor (rules a) (keys a) (excess a).
Definition g_y (a : rule_set) : R := lowest_ceiling (rules a) (keys a) (excess a).

(** Most targets that share a key, and how many rules there are; [R] is no longer the type from here on. *)
Definition no_empty_target (a : rule_set) : Prop :=
  forall i, In i (active a) -> exists j, In j (each a) /\ target a i j = true.
Definition c (a : rule_set) : R := largest (fun j => sum (fun i => member a i j) (active a)) (each a).
Definition R (a : rule_set) : R := INR (rules a).
