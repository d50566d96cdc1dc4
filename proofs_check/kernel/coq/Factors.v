(** Masses whose logits move within a range: the mean of the factors e^move, how far they spread, and what a divergence
    costs. A convex function of the moves with a given mean is largest where every move is at an end. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums.
From Localist Require Row A5.
Import ListNotations.
Open Scope R_scope.

(** The exponential lies below its chord. *)
Lemma chord : forall r x, 0 < r -> 0 <= x <= r -> exp x <= 1 + x * ((exp r - 1) / r).
Proof.
  intros r x R [A B]. pose proof (exp_ineq1_le (- x)) as T. pose proof (exp_ineq1_le (r - x)) as U.
  pose proof (exp_pos x) as X.
  (* The tangent at [x], at 0 and at [r]. *)
  assert (V : exp x * (1 - x) <= 1).
  { apply (Rmult_le_compat_l (exp x)) in T; [| lra]. rewrite <- exp_plus, Rplus_opp_r, exp_0 in T. lra. }
  assert (W : exp x * (1 + (r - x)) <= exp r).
  { apply (Rmult_le_compat_l (exp x)) in U; [| lra]. rewrite <- exp_plus in U.
    replace (x + (r - x)) with r in U by ring. lra. }
  apply (Rmult_le_reg_r r); [exact R |].
  replace ((1 + x * ((exp r - 1) / r)) * r) with (r - x + x * exp r) by (field; lra).
  apply (Rmult_le_compat_l (r - x)) in V; [| lra]. apply (Rmult_le_compat_l x) in W; [| lra]. lra.
Qed.

(** A5's law, of two keys that are the range apart. *)
Lemma law_quadratic : forall r, 0 < r -> r / (1 - exp (- r)) - ln (r / (1 - exp (- r))) - 1 <= r ^ 2 / 8.
Proof.
  intros r R. set (two := Row.Row [Row.Key r 0 0 1] [Row.Key 0 0 0 1] 1 0 0 (1 / 2) (1 / 2) 0).
  assert (E : Row.r two = r).
  { unfold Row.r. simpl. rewrite Rmax_left, Rmin_right by lra. field. }
  rewrite <- E. apply A5.law_below_quadratic; [| lra]. unfold Row.possible; simpl.
  repeat split; try discriminate; try lra. intros i [<- | [<- | []]]; simpl; lra.
Qed.

(** Masses [p], and moves [d] between [low] and [low + r]. *)
Section Moves.
Variables (l : list nat) (p d : nat -> R) (low r : R).
Hypothesis masses : forall i, In i l -> 0 < p i.
Hypothesis whole : sum p l = 1.
Hypothesis inside : forall i, In i l -> low <= d i <= low + r.

Definition factor : R := sum (fun i => p i * exp (d i)) l.

Lemma masses_somewhere : exists i, In i l.
Proof. destruct l as [| i rest]; [simpl in whole; lra | exists i; now left]. Qed.

Lemma range_nonneg : 0 <= r.
Proof. destruct masses_somewhere as (i & I). pose proof (inside i I). lra. Qed.

(** The mean factor lies between the factors at the ends. *)
Lemma factor_between : exp low <= factor <= exp (low + r).
Proof.
  unfold factor. rewrite <- (Rmult_1_l (exp low)), <- (Rmult_1_l (exp (low + r))), <- whole, <- !sum_scale_r.
  split; apply sum_le; intros i I; destruct (inside i I); apply Rmult_le_compat_l;
    try (left; now apply masses); now apply exp_le.
Qed.

Lemma factor_pos : 0 < factor.
Proof. pose proof (exp_pos low). pose proof factor_between. lra. Qed.

Lemma ln_factor_between : low <= ln factor <= low + r.
Proof.
  pose proof factor_between as [A B]. pose proof factor_pos.
  rewrite <- (ln_exp low) at 1. rewrite <- (ln_exp (low + r)).
  split; apply ln_le; trivial. apply exp_pos.
Qed.

(** Moves that are all alike. *)
Lemma alike : r = 0 -> forall i, In i l -> d i = low.
Proof. intros E i I. pose proof (inside i I). lra. Qed.

(** The divergence is a log-mean of factors less a mean move; the exponential lies below its chord. *)
Definition cost : R := ln factor - sum (fun i => p i * d i) l.

Lemma cost_below : 0 < r -> cost <= r / (1 - exp (- r)) - ln (r / (1 - exp (- r))) - 1.
Proof.
  intros R. set (mean := sum (fun i => p i * d i) l). set (g := (exp r - 1) / r). set (x := mean - low).
  pose proof (exp_increasing 0 r R) as E. rewrite exp_0 in E.
  assert (G : 0 < g) by (apply Rdiv_lt_0_compat; lra).
  (* The chord. *)
  assert (C : factor <= exp low * (1 + x * g)).
  { assert (T : factor <= sum (fun i => exp low * (1 - low * g) * p i + exp low * g * (p i * d i)) l).
    { apply sum_le. intros i I. destruct (inside i I) as [A B]. pose proof (masses i I) as M.
      replace (exp low * (1 - low * g) * p i + exp low * g * (p i * d i))
        with (p i * (exp low * (1 + (d i - low) * g))) by ring.
      apply Rmult_le_compat_l; [lra |]. replace (d i) with (low + (d i - low)) at 1 by ring. rewrite exp_plus.
      apply Rmult_le_compat_l; [left; apply exp_pos |]. apply chord; lra. }
    rewrite sum_plus, !sum_scale, whole in T. fold mean in T. unfold x. lra. }
  pose proof factor_pos as F. pose proof (exp_pos low) as L.
  assert (Y : 0 < 1 + x * g).
  { apply (Rmult_lt_reg_l (exp low)); [exact L |]. lra. }
  apply (ln_le _ _ F) in C. rewrite ln_mult, ln_exp in C by trivial.
  (* The logarithm lies below its tangent at [g]. *)
  pose proof (ln_below_tangent ((1 + x * g) / g) ltac:(now apply Rdiv_lt_0_compat)) as T.
  rewrite ln_quotient in T by trivial. replace ((1 + x * g) / g) with (/ g + x) in T by (field; lra).
  assert (Z : r / (1 - exp (- r)) = / g + r).
  { unfold g. rewrite exp_Ropp. field. pose proof (exp_pos r). repeat split; lra. }
  assert (W : ln (/ g + r) = r - ln g).
  { replace (/ g + r) with (exp r / g).
    - rewrite ln_quotient, ln_exp; trivial. apply exp_pos.
    - replace (exp r) with (1 + r * g) by (unfold g; field; lra). field. lra. }
  unfold cost. fold mean. rewrite Z, W. unfold x in *. lra.
Qed.

Lemma cost_quadratic : cost <= r ^ 2 / 8.
Proof.
  destruct range_nonneg as [R | R].
  - eapply Rle_trans; [now apply cost_below |]. now apply law_quadratic.
  - assert (A : forall i, In i l -> d i = low) by now apply alike. unfold cost, factor.
    rewrite (sum_ext (fun i => p i * exp (d i)) (fun i => p i * exp low) l) by (intros i I; now rewrite A).
    rewrite (sum_ext (fun i => p i * d i) (fun i => p i * low) l) by (intros i I; now rewrite A).
    rewrite !sum_scale_r, whole, !Rmult_1_l, ln_exp, <- R. lra.
Qed.
End Moves.

(** Twice the variation is a mean distance of the factors from their own mean, over that mean. *)
Section Spread.
Variables (l : list nat) (p d : nat -> R) (low r : R).
Hypothesis masses : forall i, In i l -> 0 < p i.
Hypothesis whole : sum p l = 1.
Hypothesis inside : forall i, In i l -> low <= d i <= low + r.

Definition spread : R := sum (fun i => p i * Rabs (exp (d i) - factor l p d)) l.

Lemma spread_below : (exp (low + r) - exp low) * spread
  <= 2 * (exp (low + r) - factor l p d) * (factor l p d - exp low).
Proof.
  pose proof (factor_between l p d low r masses whole inside) as [A B]. unfold spread. set (f := factor l p d) in *.
  rewrite <- sum_scale.
  assert (T : sum (fun i => (exp (low + r) - exp low) * (p i * Rabs (exp (d i) - f))) l
    <= sum (fun i => (exp (low + r) * (f - exp low) - exp low * (exp (low + r) - f)) * p i
        + (exp (low + r) - f - (f - exp low)) * (p i * exp (d i))) l).
  { apply sum_le. intros i I. pose proof (masses i I) as M. destruct (inside i I) as [U V].
    apply exp_le in U. apply exp_le in V.
    set (w := exp (d i)) in *. set (b := exp (low + r)) in *. set (c := exp low) in *.
    replace ((b - c) * (p i * Rabs (w - f))) with (p i * ((b - c) * Rabs (w - f))) by ring.
    replace ((b * (f - c) - c * (b - f)) * p i + (b - f - (f - c)) * (p i * w))
      with (p i * ((b - w) * (f - c) + (w - c) * (b - f))) by ring.
    apply Rmult_le_compat_l; [lra |]. unfold Rabs. destruct (Rcase_abs (w - f)).
    - pose proof (Rmult_le_pos (w - c) (b - f) ltac:(lra) ltac:(lra)). lra.
    - pose proof (Rmult_le_pos (b - w) (f - c) ltac:(lra) ltac:(lra)). lra. }
  eapply Rle_trans; [exact T |]. rewrite sum_plus, !sum_scale, whole.
  change (sum (fun i => p i * exp (d i)) l) with f. lra.
Qed.

(** At most [tanh (r/4)] of the mean factor, which is best at the geometric mean of the ends. *)
Lemma spread_tanh : spread / factor l p d / 2 <= 2 * Logistic (r / 2) - 1.
Proof.
  pose proof (factor_pos l p d low r masses whole inside) as F. pose proof spread_below as S.
  destruct (range_nonneg l p d low r masses whole inside) as [R | R].
  - set (f := factor l p d) in *. set (t := exp (low / 2)). set (h := exp (r / 2)).
    assert (T : 0 < t) by apply exp_pos. assert (H : 1 < h) by (unfold h; rewrite <- exp_0; apply exp_increasing; lra).
    assert (A : exp low = t * t) by (unfold t; rewrite <- exp_plus; f_equal; field).
    assert (B : exp (low + r) = t * t * (h * h)) by (unfold t, h; rewrite <- !exp_plus; f_equal; field).
    rewrite A, B in S.
    assert (L : 2 * Logistic (r / 2) - 1 = (h - 1) / (h + 1)).
    { unfold Logistic. rewrite exp_Ropp. fold h. field. lra. }
    rewrite L. assert (Q : 0 < t * t) by now apply Rmult_lt_0_compat.
    assert (G : 0 < t * t * (h - 1) * (h + 1)) by (repeat apply Rmult_lt_0_compat; lra).
    apply (Rmult_le_reg_r (2 * f * (t * t * (h - 1) * (h + 1)))); [apply Rmult_lt_0_compat; lra |].
    replace (spread / f / 2 * (2 * f * (t * t * (h - 1) * (h + 1))))
      with ((t * t * (h * h) - t * t) * spread) by (field; lra).
    replace ((h - 1) / (h + 1) * (2 * f * (t * t * (h - 1) * (h + 1))))
      with (2 * (t * t * (h - 1) ^ 2 * f)) by (field; lra).
    pose proof (pow2_ge_0 (f - t * t * h)) as W. lra.
  - rewrite <- R. replace (0 / 2) with 0 by field. unfold Logistic. rewrite Ropp_0, exp_0.
    assert (E : spread = 0).
    { assert (A : forall i, In i l -> d i = low) by (apply (alike l d low r); [exact inside | now symmetry]).
      assert (X : factor l p d = exp low).
      { unfold factor. rewrite (sum_ext _ (fun i => p i * exp low)) by (intros i I; now rewrite A).
        rewrite sum_scale_r, whole. ring. }
      unfold spread. rewrite X, (sum_ext _ (fun _ => 0)).
      - rewrite sum_const. ring.
      - intros i I. rewrite A, Rminus_diag_eq, Rabs_R0 by trivial. ring. }
    rewrite E. unfold Rdiv. lra.
Qed.
End Spread.
