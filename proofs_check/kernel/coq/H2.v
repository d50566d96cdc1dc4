(** H2, from logits to the next-token distribution: each mass changes by its factor, over the mean factor. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Gains Logits Factors.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : logits.
Hypothesis P : possible a.

Lemma not_empty : every a <> [].
Proof. unfold every. unfold possible in P. destruct (tokens a); [lia | discriminate]. Qed.

Lemma total_pos : forall z, 0 < sum (fun j => exp (z j)) (every a).
Proof. intros z. apply sum_pos; [apply not_empty | intros; apply exp_pos]. Qed.

Lemma mass_pos : forall z i, 0 < mass (every a) z i.
Proof. intros z i. apply Rdiv_lt_0_compat; [apply exp_pos | apply total_pos]. Qed.

Lemma mass_one : forall z, sum (mass (every a) z) (every a) = 1.
Proof. intros z. unfold mass, Rdiv. rewrite sum_scale_r. apply Rinv_r. pose proof (total_pos z). lra. Qed.

Lemma moves_inside : forall i, In i (every a) ->
  least (move a) (every a) <= move a i <= least (move a) (every a) + rho_z a.
Proof.
  intros i I. pose proof (above_least (move a) (every a) i I). pose proof (below_largest (move a) (every a) i I).
  unfold rho_z. simpl in *. lra.
Qed.

(** A move changes each mass by its factor, over the mean factor. *)
Lemma moved_mass : forall z d i, mass (every a) (fun j => z j + d j) i
  = mass (every a) z i * exp (d i) / factor (every a) (mass (every a) z) d.
Proof.
  intros z d i. unfold factor, mass. pose proof (total_pos z) as Z. pose proof (total_pos (fun j => z j + d j)) as Z'.
  rewrite (sum_ext (fun j => exp (z j) / sum (fun j => exp (z j)) (every a) * exp (d j))
    (fun j => exp (z j + d j) * / sum (fun j => exp (z j)) (every a))) by (intros; rewrite exp_plus; field; lra).
  rewrite sum_scale_r, exp_plus. field. lra.
Qed.

Lemma moved_ln : forall z d low r, (forall i, In i (every a) -> low <= d i <= low + r) ->
  forall i, ln (mass (every a) (fun j => z j + d j) i) - ln (mass (every a) z i)
    = d i - ln (factor (every a) (mass (every a) z) d).
Proof.
  intros z d low r I i. rewrite moved_mass.
  pose proof (factor_pos (every a) (mass (every a) z) d low r (fun j _ => mass_pos z j) (mass_one z) I).
  rewrite ln_quotient, ln_mult, ln_exp; trivial; try apply exp_pos; try apply mass_pos; [ring |].
  apply Rmult_lt_0_compat; [apply mass_pos | apply exp_pos].
Qed.

Lemma divergence_is : forall z d low r, (forall i, In i (every a) -> low <= d i <= low + r) ->
  divergence (every a) z (fun j => z j + d j) = cost (every a) (mass (every a) z) d.
Proof.
  intros z d low r I. unfold divergence, cost. set (f := ln (factor (every a) (mass (every a) z) d)).
  rewrite (sum_ext _ (fun i => f * mass (every a) z i - mass (every a) z i * d i)).
  - rewrite sum_minus, sum_scale, mass_one. ring.
  - intros i _. pose proof (moved_ln z d low r I i) as E. fold f in E.
    replace (ln (mass (every a) z i) - ln (mass (every a) (fun j => z j + d j) i)) with (f - d i) by lra. ring.
Qed.

(** The other divergence is that of the moves back. *)
Lemma back_is : KL_back a = divergence (every a) (after a) (fun j => after a j + - move a j).
Proof.
  unfold KL_back. f_equal. apply FunctionalExtensionality.functional_extensionality. intros j. unfold after. ring.
Qed.

Lemma back_inside : forall i, In i (every a) ->
  - (least (move a) (every a) + rho_z a) <= - move a i <= - (least (move a) (every a) + rho_z a) + rho_z a.
Proof. intros i I. pose proof (moves_inside i I). lra. Qed.

(** The variation through the factors. *)
Lemma variation_is : TV_z a
  = spread (every a) (mass (every a) (before a)) (move a) / factor (every a) (mass (every a) (before a)) (move a) / 2.
Proof.
  unfold TV_z, variation, spread. apply (f_equal (fun x => x / 2)). unfold Rdiv at 1. rewrite <- sum_scale_r.
  apply sum_ext. intros i I.
  pose proof (factor_pos _ _ _ _ _ (fun j _ => mass_pos (before a) j) (mass_one (before a)) moves_inside) as F.
  pose proof (mass_pos (before a) i) as M. unfold after at 1. rewrite moved_mass.
  set (f := factor (every a) (mass (every a) (before a)) (move a)) in *. set (q := mass (every a) (before a) i) in *.
  replace (q * exp (move a i) / f - q) with (q * (exp (move a i) - f) * / f) by (field; lra).
  rewrite !Rabs_mult, (Rabs_pos_eq q), (Rabs_pos_eq (/ f)); trivial; left; [now apply Rinv_0_lt_compat | exact M].
Qed.

(** The token whose log-probability moves most. *)
Lemma largest_move : exists i, In i (every a) /\
  l_z a = Rabs (move a i - ln (factor (every a) (mass (every a) (before a)) (move a))).
Proof.
  destruct (largest_attained (fun i => Rabs (ln (mass (every a) (after a) i) - ln (mass (every a) (before a) i)))
    (every a) not_empty) as (i & I & E). exists i. split; [exact I |]. unfold l_z. rewrite E.
  now rewrite <- (moved_ln (before a) (move a) _ _ moves_inside).
Qed.

(** The mean factor lies strictly between those of the ends, if these differ. *)
Lemma strictly_between : 0 < rho_z a -> exp (least (move a) (every a))
  < factor (every a) (mass (every a) (before a)) (move a) < exp (least (move a) (every a) + rho_z a).
Proof.
  intros G. set (low := least (move a) (every a)). set (p := mass (every a) (before a)).
  assert (T : forall (f g : nat -> R) i, (forall j, In j (every a) -> f j <= g j) -> In i (every a) -> f i < g i ->
    sum (fun j => p j * f j) (every a) < sum (fun j => p j * g j) (every a)).
  { intros f g i L I S. apply (sum_lt _ _ _ i); [| exact I |].
    - intros j J. apply Rmult_le_compat_l; [left; apply mass_pos | now apply L].
    - apply Rmult_lt_compat_l; [apply mass_pos | exact S]. }
  assert (C : forall c, c = sum (fun j => p j * c) (every a)).
  { intros c. rewrite sum_scale_r. unfold p. rewrite mass_one. ring. }
  pose proof moves_inside as B. fold low in B.
  destruct (largest_attained (move a) (every a) not_empty) as (i & I & E).
  destruct (least_attained (move a) (every a) not_empty) as (j & J & E'). fold low in E'.
  assert (E2 : move a i = low + rho_z a) by (rewrite <- E; unfold rho_z, low; ring).
  unfold factor. split.
  - rewrite (C (exp low)). apply (T (fun _ => exp low) (fun j => exp (move a j)) i); trivial.
    + intros n N. now apply exp_le, B.
    + apply exp_increasing. lra.
  - rewrite (C (exp (low + rho_z a))). apply (T (fun j => exp (move a j)) (fun _ => exp (low + rho_z a)) j); trivial.
    + intros n N. now apply exp_le, B.
    + apply exp_increasing. lra.
Qed.
End Facts.

Theorem total_variation : forall a, possible a -> TV_z a <= 2 * Logistic (rho_z a / 2) - 1.
Proof.
  intros a P. rewrite variation_is by trivial. apply (spread_tanh _ _ _ (least (move a) (every a))).
  - intros i _. now apply mass_pos.
  - now apply mass_one.
  - apply moves_inside.
Qed.

Theorem attained : forall a, possible a -> TV_pair a = 2 * Logistic (rho_z a / 2) - 1.
Proof.
  intros a P. assert (R : 0 <= rho_z a).
  { destruct (every a) as [| i l] eqn:E; [now apply (not_empty a P) in E |].
    pose proof (moves_inside a i ltac:(rewrite E; now left)). lra. }
  unfold TV_pair, variation, mass. simpl. rewrite exp_0. unfold Logistic. rewrite exp_Ropp.
  pose proof (exp_le 0 (rho_z a / 2) ltac:(lra)) as H. rewrite exp_0 in H. set (h := exp (rho_z a / 2)) in *.
  rewrite (Rabs_pos_eq (h / (h + (1 + 0)) - 1 / (1 + (h + 0)))), Rabs_left1.
  - field. lra.
  - replace (1 / (h + (1 + 0)) - h / (1 + (h + 0))) with (- ((h - 1) / (h + 1))) by (field; lra).
    rewrite <- Ropp_0. apply Ropp_le_contravar, Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra].
  - replace (h / (h + (1 + 0)) - 1 / (1 + (h + 0))) with ((h - 1) / (h + 1)) by (field; lra).
    apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra].
Qed.

Theorem divergence : forall a, possible a -> rho_z a > 0 ->
  KL_z a <= rho_z a / (1 - exp (- rho_z a)) - ln (rho_z a / (1 - exp (- rho_z a))) - 1.
Proof.
  intros a P R. unfold KL_z, after. rewrite (divergence_is a P _ _ _ _ (moves_inside a)).
  apply (cost_below _ _ _ (least (move a) (every a)));
    [intros i _; now apply mass_pos | now apply mass_one | apply moves_inside | lra].
Qed.

Theorem divergence_back : forall a, possible a -> rho_z a > 0 ->
  KL_back a <= rho_z a / (1 - exp (- rho_z a)) - ln (rho_z a / (1 - exp (- rho_z a))) - 1.
Proof.
  intros a P R. rewrite back_is, (divergence_is a P _ _ _ _ (back_inside a)).
  apply (cost_below _ _ _ (- (least (move a) (every a) + rho_z a)));
    [intros i _; now apply mass_pos | now apply mass_one | apply back_inside | lra].
Qed.

Theorem quadratic : forall a, possible a -> KL_z a <= (rho_z a) ^ 2 / 8.
Proof.
  intros a P. unfold KL_z, after. rewrite (divergence_is a P _ _ _ _ (moves_inside a)).
  apply (cost_quadratic _ _ _ (least (move a) (every a)));
    [intros i _; now apply mass_pos | now apply mass_one | apply moves_inside].
Qed.

Theorem quadratic_back : forall a, possible a -> KL_back a <= (rho_z a) ^ 2 / 8.
Proof.
  intros a P. rewrite back_is, (divergence_is a P _ _ _ _ (back_inside a)).
  apply (cost_quadratic _ _ _ (- (least (move a) (every a) + rho_z a)));
    [intros i _; now apply mass_pos | now apply mass_one | apply back_inside].
Qed.

Theorem log_probability : forall a, possible a -> l_z a <= rho_z a.
Proof.
  intros a P. destruct (largest_move a P) as (i & I & ->). pose proof (moves_inside a i I).
  pose proof (ln_factor_between _ _ _ _ _ (fun j _ => mass_pos a P (before a) j) (mass_one a P (before a))
    (moves_inside a)).
  apply Rabs_le. lra.
Qed.

Theorem log_probability_strictly : forall a, possible a -> rho_z a > 0 -> l_z a < rho_z a.
Proof.
  intros a P R. destruct (largest_move a P) as (i & I & ->). pose proof (moves_inside a i I).
  destruct (strictly_between a P R) as [A B]. set (f := factor (every a) (mass (every a) (before a)) (move a)) in *.
  pose proof (exp_pos (least (move a) (every a))). apply ln_increasing in B; [| lra].
  apply ln_increasing in A; [| lra]. rewrite ln_exp in A, B. apply Rabs_def1; lra.
Qed.
