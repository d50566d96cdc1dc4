(** C6, from weights to attention: a score outside is an inner product with [W_K q], which Cauchy-Schwarz bounds. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Surviving.
From Localist Require Row RowFacts A4.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : head.
Hypothesis P : possible a.

Lemma root_pos : 0 < sqrt (d_k a).
Proof. destruct P as (W & _). apply sqrt_lt_R0. unfold d_k. now apply lt_0_INR. Qed.

(** A score is the features' inner product with [W_K q]. *)
Lemma score_is : forall x, score a x = sum (fun f => x f * pulled a f) (seq 0 (features a)) / sqrt (d_k a).
Proof.
  intros x. unfold score. f_equal.
  rewrite (sum_ext _ (fun c => sum (fun f => query a c * (x f * W_K a f c)) (seq 0 (features a)))) by (intros; now rewrite sum_scale).
  rewrite (sum_swap (fun c f => query a c * (x f * W_K a f c))). apply sum_ext. intros f _.
  unfold pulled. rewrite <- sum_scale. apply sum_ext. intros; ring.
Qed.

Lemma score_outside : forall x, In x (outside a) -> score a x <= chi a * kappa a / sqrt (d_k a).
Proof.
  intros x I. rewrite score_is. apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat, root_pos |].
  eapply Rle_trans; [apply cauchy_schwarz |]. rewrite Rmult_comm. apply Rmult_le_compat_l; [apply norm_nonneg |].
  exact (below_largest (fun y => norm y (seq 0 (features a))) (outside a) x I).
Qed.

(** The row of the head is a possible row. *)
Lemma row_possible : Row.possible (row_of a).
Proof.
  destruct P as (_ & I & O & T). unfold Row.possible, Row.keys, row_of. simpl. rewrite <- map_app.
  assert (W : forall i, In i (map (fun x => Row.Key (score a x) 0 (score a x) 1) (inside a ++ outside a)) -> Row.weight i = 1).
  { intros i J. apply in_map_iff in J as (x & <- & _). reflexivity. }
  repeat split; try lra.
  - destruct (inside a); [congruence | discriminate].
  - destruct (outside a); [congruence | discriminate].
  - intros i J. rewrite W by exact J. lra.
  - rewrite (sum_ext _ _ _ W), sum_const, Rmult_1_r. apply Rlt_le_trans with 1; [lra |]. apply count_at_least_1.
    destruct (inside a); [congruence | discriminate].
Qed.
End Facts.

Theorem margin : forall a, possible a -> delta a >= - chi a * kappa a / sqrt (d_k a) + s_in a.
Proof.
  intros a P. unfold delta, Row.delta, row_of, s_in. simpl. rewrite least_map, largest_map. simpl.
  change (fun i => score a i) with (score a). assert (O : outside a <> []) by now destruct P as (_ & _ & O & _).
  destruct (largest_attained (score a) (outside a) O) as (x & I & ->). pose proof (score_outside a P x I).
  replace (- chi a * kappa a / sqrt (d_k a)) with (- (chi a * kappa a / sqrt (d_k a))) by (unfold Rdiv; ring). lra.
Qed.

Lemma separation : forall a, possible a ->
  (- chi a * kappa a / sqrt (d_k a) + s_in a) / tau a <= Row.Delta (row_of a).
Proof.
  intros a P. pose proof (row_possible a P) as Q. pose proof (margin a P) as M.
  pose proof (RowFacts.over_tau_le _ Q _ _ (Rge_le _ _ M)) as L. pose proof (RowFacts.d_le_mean _ Q).
  pose proof (RowFacts.d_mean_le_Delta _ Q). unfold Row.d, delta in *. simpl in *. unfold tau. lra.
Qed.

Theorem leak : forall a, possible a ->
  epsilon a <= Logistic (- ln (m a / k a) - (- chi a * kappa a / sqrt (d_k a) + s_in a) / tau a).
Proof.
  intros a P. pose proof (RowFacts.epsilon_below _ (row_possible a P) _ (separation a P)) as L.
  unfold epsilon, m, k. eapply Rle_trans; [exact L |]. apply Req_le. f_equal. ring.
Qed.

Theorem entropy : forall a, possible a -> (- chi a * kappa a / sqrt (d_k a) + s_in a) / tau a >= 0 ->
  H a <= ln (k a * exp (- ((- chi a * kappa a / sqrt (d_k a) + s_in a) / tau a)) + m a)
         + (- chi a * kappa a / sqrt (d_k a) + s_in a)
           * Logistic (- ln (m a / k a) - (- chi a * kappa a / sqrt (d_k a) + s_in a) / tau a) / tau a.
Proof.
  intros a P N. pose proof (A4.given_leak _ _ (row_possible a P) N (separation a P)) as B.
  unfold H, m, k. eapply Rle_trans; [exact B |]. apply Req_le. rewrite Rplus_comm. f_equal.
  set (x := - chi a * kappa a / sqrt (d_k a) + s_in a).
  replace (- (x / tau a) - ln (Row.m (row_of a) / Row.k (row_of a)))
    with (- ln (Row.m (row_of a) / Row.k (row_of a)) - x / tau a) by ring.
  unfold Rdiv. ring.
Qed.
