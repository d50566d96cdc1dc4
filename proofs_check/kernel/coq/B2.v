(** B2, entropy along the dial: conditionals do not move, so the entropy is a concave function of the fidelity alone. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts Entropy Moved B1 B3.
Open Scope R_scope.

(** Entropy of two parts in the shares [p] and [1 - p]. *)
Definition mixed (p inside outside : R) : R := p * inside + (1 - p) * outside + BinaryEntropy p.

(** It lies below its tangents. *)
Lemma mixed_below : forall p q inside outside, 0 < p < 1 -> 0 < q < 1 ->
  mixed q inside outside <= mixed p inside outside + (q - p) * (inside - outside - Logit p).
Proof.
  intros p q x y P Q. unfold mixed, Logit. pose proof (binary_entropy_below q p ltac:(lra) P).
  rewrite ln_quotient by lra. unfold BinaryEntropy in *. lra.
Qed.

(** Strictly, away from the point of contact. *)
Lemma ln_strictly_below : forall x, 0 < x -> x <> 1 -> ln x < x - 1.
Proof.
  intros x P N. assert (Z : ln x <> 0) by (intros E; apply N; rewrite <- (exp_ln x P), E; apply exp_0).
  pose proof (exp_ineq1 (ln x) Z) as T. rewrite exp_ln in T; lra.
Qed.

Lemma mixed_strictly_below : forall p q inside outside, 0 < p < 1 -> 0 < q < 1 -> p <> q ->
  mixed q inside outside < mixed p inside outside + (q - p) * (inside - outside - Logit p).
Proof.
  intros p q x y P Q N. unfold mixed, Logit. rewrite ln_quotient by lra. unfold BinaryEntropy.
  pose proof (ln_strictly_below (p / q) ltac:(apply Rdiv_lt_0_compat; lra)) as A.
  pose proof (gibbs_term (1 - q) (1 - p) ltac:(lra) ltac:(lra)) as B.
  assert (R : p / q <> 1) by (intros E; apply N; apply (Rmult_eq_reg_r (/ q)); [rewrite Rinv_r by lra; exact E | apply Rinv_neq_0_compat; lra]).
  specialize (A R). rewrite ln_quotient in A by lra. apply (Rmult_lt_compat_l q) in A; [| lra].
  replace (q * (p / q - 1)) with (p - q) in A by (field; lra). lra.
Qed.

(** Its peak. *)
Lemma mixed_peak : forall p x y, 0 < p < 1 -> mixed p x y <= ln (exp x + exp y).
Proof.
  intros p x y P. pose proof (exp_pos x) as X. pose proof (exp_pos y) as Y. set (w := exp x + exp y).
  assert (W : 0 < w) by (unfold w; lra).
  pose proof (binary_entropy_below p (exp x / w) ltac:(lra)) as B.
  assert (E : 1 - exp x / w = exp y / w) by (unfold w in *; field; lra). rewrite E in B.
  rewrite !ln_quotient, !ln_exp in B by trivial.
  assert (0 < exp x / w) by now apply Rdiv_lt_0_compat. assert (0 < exp y / w) by now apply Rdiv_lt_0_compat.
  specialize (B ltac:(lra)). unfold mixed. lra.
Qed.

Section Along.
Variable a : row.
Hypothesis P : possible a.

(** Conditional entropies do not move with the dial. *)
Lemma H_B_kept : H_B (dialled a) = H_B a.
Proof.
  unfold H_B. simpl. rewrite sum_map. apply sum_ext. intros i _. fold (mass_in a i) (F_lambda a).
  rewrite mass_in_is by trivial. f_equal. pose proof (F_inside a P). pose proof (F_lambda_inside a P). field. lra.
Qed.

Lemma H_C_kept : H_C (dialled a) = H_C a.
Proof.
  unfold H_C. simpl. apply sum_ext. intros i _. fold (mass_out a i) (epsilon_lambda a).
  rewrite mass_out_is by trivial. f_equal. pose proof (epsilon_inside a P). pose proof (F_lambda_inside a P).
  pose proof (F_lambda_and_epsilon a P). field. lra.
Qed.

Lemma H_is_mixed : H a = mixed (F a) (H_B a) (H_C a).
Proof.
  rewrite chain_rule by trivial. unfold mixed, BinaryEntropy.
  replace (epsilon a) with (1 - F a) by (pose proof (F_and_epsilon a P); lra).
  replace (1 - (1 - F a)) with (F a) by ring. ring.
Qed.

(** A conditional entropy is a log-sum less a mean score. *)
Lemma H_B_by_mean : H_B a = ln (Z_B a + Z_C a) + ln (F a) - sbar_B a / tau a.
Proof.
  pose proof (F_inside a P). pose proof (tau_pos a P). pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  apply (Rmult_eq_reg_l (F a)); [| lra]. rewrite H_B_is by trivial. unfold part, surprise, sbar_B.
  rewrite (sum_ext _ (fun i => mass a i * ln (Z_B a + Z_C a) - F a / tau a * (mass a i / F a * score i))).
  - rewrite sum_minus, sum_scale_r, sum_scale. fold (F a). field. lra.
  - intros i _. rewrite mass_is at 2. rewrite ln_quotient by (try apply exp_pos; lra).
    unfold boltzmann. rewrite ln_exp. field. lra.
Qed.

Lemma H_C_by_mean : H_C a = ln (Z_B a + Z_C a) + ln (epsilon a) - sbar_C a / tau a.
Proof.
  pose proof (epsilon_inside a P). pose proof (tau_pos a P). pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  apply (Rmult_eq_reg_l (epsilon a)); [| lra]. rewrite H_C_is by trivial. unfold part, surprise, sbar_C.
  rewrite (sum_ext _ (fun i => mass a i * ln (Z_B a + Z_C a) - epsilon a / tau a * (mass a i / epsilon a * score i))).
  - rewrite sum_minus, sum_scale_r, sum_scale. fold (epsilon a). field. lra.
  - intros i _. rewrite mass_is at 2. rewrite ln_quotient by (try apply exp_pos; lra).
    unfold boltzmann. rewrite ln_exp. field. lra.
Qed.

(** The mass-weighted mean score in the block is at least the plain mean: mass rises with score. *)
Lemma sbar_B_above_mean : mean score (block a) <= sbar_B a.
Proof.
  set (c := mean score (block a)). pose proof (m_pos a P). pose proof (tau_pos a P) as T.
  assert (Z : 0 < Z_B a + Z_C a) by (pose proof (Z_B_pos a P); pose proof (Z_C_pos a P); lra).
  assert (E : sum (fun i => score i - c) (block a) = 0).
  { rewrite sum_minus, sum_const. unfold c, mean. fold (m a). field. lra. }
  assert (L : exp (c / tau a) / (Z_B a + Z_C a) * sum (fun i => score i - c) (block a)
              <= sum (fun i => mass a i * (score i - c)) (block a)).
  { rewrite <- sum_scale. apply sum_le. intros i _. rewrite mass_is. unfold boltzmann.
    assert (N : 0 <= (exp (score i / tau a) - exp (c / tau a)) * (score i - c)).
    { destruct (Rle_dec c (score i)) as [L | L].
      - pose proof (exp_le _ _ (over_tau_le a P _ _ L)). apply Rmult_le_pos; lra.
      - pose proof (exp_le _ _ (over_tau_le a P (score i) c ltac:(lra))).
        rewrite <- Rmult_opp_opp. apply Rmult_le_pos; lra. }
    apply (Rmult_le_compat_r (/ (Z_B a + Z_C a))) in N; [| left; now apply Rinv_0_lt_compat].
    unfold Rdiv in *. lra. }
  rewrite E, Rmult_0_r in L. pose proof (F_inside a P).
  assert (S : sum (fun i => mass a i * (score i - c)) (block a) = F a * (sbar_B a - c)).
  { unfold sbar_B. rewrite Rmult_minus_distr_l, <- sum_scale. unfold F at 3.
    rewrite <- sum_scale_r, <- sum_minus. apply sum_ext. intros. field. lra. }
  rewrite S in L. apply Rnot_lt_le. intros N.
  assert (0 < F a * (c - sbar_B a)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(** The one outside is at most the largest score there. *)
Lemma sbar_C_below_largest : sbar_C a <= largest score (others a).
Proof.
  pose proof (epsilon_inside a P).
  assert (O : sum (fun i => mass a i / epsilon a) (others a) = 1).
  { unfold Rdiv. rewrite sum_scale_r. apply Rinv_r. lra. }
  rewrite <- (Rmult_1_l (largest score (others a))), <- O, <- sum_scale_r. apply sum_le. intros i I.
  apply Rmult_le_compat_l; [| now apply below_largest]. pose proof (mass_pos a P i).
  left. apply Rdiv_lt_0_compat; lra.
Qed.

(** Under the hard mask the row is the row given the block. *)
Lemma H_1_is : H_1 a = H_B a.
Proof.
  apply sum_ext. intros i _. f_equal. unfold masked_mass. fold (Z_B a). rewrite mass_is, F_is.
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). field. lra.
Qed.
End Along.

Theorem mixture : forall a, possible a ->
  H_lambda a = F_lambda a * H_B a + H_C a * epsilon_lambda a + BinaryEntropy (F_lambda a).
Proof.
  intros a P. unfold H_lambda. rewrite H_is_mixed by now apply dialled_possible.
  rewrite H_B_kept, H_C_kept by trivial. unfold mixed. fold (F_lambda a).
  replace (epsilon_lambda a) with (1 - F_lambda a) by (pose proof (F_lambda_and_epsilon a P); lra). ring.
Qed.

Lemma H_lambda_is_mixed : forall a, possible a -> H_lambda a = mixed (F_lambda a) (H_B a) (H_C a).
Proof.
  intros a P. rewrite mixture by trivial. unfold mixed.
  replace (epsilon_lambda a) with (1 - F_lambda a) by (pose proof (F_lambda_and_epsilon a P); lra). ring.
Qed.

Theorem slope : forall a, possible a -> - H_B a + H_C a + Logit (F a) = (sbar_B a - sbar_C a) / tau a.
Proof.
  intros a P. rewrite H_B_by_mean, H_C_by_mean by trivial. unfold Logit.
  replace (1 - F a) with (epsilon a) by (pose proof (F_and_epsilon a P); lra).
  rewrite ln_quotient by (apply F_inside || apply epsilon_inside; trivial). field. pose proof (tau_pos a P). lra.
Qed.

Theorem falls : forall a, possible a -> sbar_B a >= sbar_C a -> H_lambda a <= H a.
Proof.
  intros a P L. rewrite H_lambda_is_mixed, H_is_mixed by trivial.
  pose proof (mixed_below (F a) (F_lambda a) (H_B a) (H_C a) (F_inside a P) (F_lambda_inside a P)) as B.
  pose proof (slope a P) as S. pose proof (F_lambda_above a P). pose proof (tau_pos a P) as T.
  assert (0 <= (F_lambda a - F a) * ((sbar_B a - sbar_C a) / tau a)).
  { apply Rmult_le_pos; [lra |]. apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]. }
  replace (H_B a - H_C a - Logit (F a)) with (- ((sbar_B a - sbar_C a) / tau a)) in B by lra. lra.
Qed.

Theorem rises_first : forall a, possible a ->
  - (tau a * ln (1 - lambda a)) <= - sbar_B a + sbar_C a -> H_lambda a >= H a.
Proof.
  intros a P L. rewrite H_lambda_is_mixed, H_is_mixed by trivial.
  pose proof (mixed_below (F_lambda a) (F a) (H_B a) (H_C a) (F_lambda_inside a P) (F_inside a P)) as B.
  pose proof (slope a P) as S. pose proof (odds a P) as O. pose proof (F_lambda_above a P).
  apply (over_tau_le a P) in L. pose proof (tau_pos a P).
  replace (- (tau a * ln (1 - lambda a)) / tau a) with (- ln (1 - lambda a)) in L by (field; lra).
  unfold Rdiv in *. assert (0 <= (F_lambda a - F a) * (H_B a - H_C a - Logit (F_lambda a))).
  { apply Rmult_le_pos; lra. }
  lra.
Qed.

(** The slope of the entropy at the dialled fidelity: the gap of the mean scores that the bias has not made up. *)
Lemma slope_dialled : forall a, possible a ->
  H_B a - H_C a - Logit (F_lambda a) = (sbar_C a - sbar_B a - - (tau a * ln (1 - lambda a))) / tau a.
Proof.
  intros a P. pose proof (slope a P) as S. rewrite (odds a P). pose proof (tau_pos a P).
  replace ((sbar_C a - sbar_B a - - (tau a * ln (1 - lambda a))) / tau a)
    with (- ((sbar_B a - sbar_C a) / tau a) + ln (1 - lambda a)) by (field; lra). lra.
Qed.

Theorem strict_converse : forall a, possible a ->
  - (tau a * ln (1 - lambda a)) <= - sbar_B a + sbar_C a /\ lambda a > 0 -> H_lambda a > H a.
Proof.
  intros a P [L D]. rewrite H_lambda_is_mixed, H_is_mixed by trivial.
  pose proof (F_inside a P) as I. pose proof (dial_inside a P) as Q. pose proof (F_and_epsilon a P) as E.
  assert (R : F a < F_lambda a).
  { rewrite F_lambda_is by trivial. replace (epsilon a) with (1 - F a) by lra.
    assert (X : 0 < lambda a * (1 - F a)) by (apply Rmult_lt_0_compat; lra).
    assert (Y : 0 < (1 - lambda a) * (1 - F a)) by (apply Rmult_lt_0_compat; lra).
    apply (Rmult_lt_reg_r (F a + (1 - lambda a) * (1 - F a))); [lra |].
    unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    pose proof (Rmult_lt_compat_l (F a) (F a + (1 - lambda a) * (1 - F a)) 1 ltac:(lra) ltac:(lra)). lra. }
  pose proof (mixed_strictly_below (F_lambda a) (F a) (H_B a) (H_C a) (F_lambda_inside a P) I ltac:(lra)) as B.
  rewrite (slope_dialled a P) in B. pose proof (tau_pos a P) as T.
  assert (0 <= (F_lambda a - F a) * ((sbar_C a - sbar_B a - - (tau a * ln (1 - lambda a))) / tau a)).
  { apply Rmult_le_pos; [lra |]. apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]. }
  lra.
Qed.

(** The row with the dial at its other setting is possible, and dials no less where that is no less. *)
Lemma set_more_possible : forall a, possible a -> possible (set_more a).
Proof. intros a (B & C & T & L & Q & E & G & W & S & M). unfold possible, keys in *. simpl. tauto. Qed.

Lemma F_more_above : forall a, possible a -> lambda_more a >= lambda a -> F_lambda a <= F_lambda (set_more a).
Proof.
  intros a P L. pose proof (set_more_possible a P) as Q. rewrite !F_lambda_is by trivial.
  change (F (set_more a)) with (F a). change (epsilon (set_more a)) with (epsilon a). simpl.
  pose proof (F_inside a P). pose proof (epsilon_inside a P). pose proof (dial_inside a P). pose proof (dial_inside _ Q) as D. simpl in D.
  assert (X : 0 < (1 - lambda_more a) * epsilon a) by (apply Rmult_lt_0_compat; lra).
  apply Rmult_le_compat_l; [lra |]. apply Rinv_le_contravar; [lra |].
  apply Rplus_le_compat_l, Rmult_le_compat_r; lra.
Qed.

Lemma H_more_is : forall a, possible a -> H_more a = mixed (F_lambda (set_more a)) (H_B a) (H_C a).
Proof. intros a P. unfold H_more. rewrite H_lambda_is_mixed by now apply set_more_possible. reflexivity. Qed.

Theorem rises_up_to_the_gap : forall a, possible a ->
  lambda_more a >= lambda a /\ - (tau a * ln (1 - lambda_more a)) <= - sbar_B a + sbar_C a -> H_more a >= H_lambda a.
Proof.
  intros a P [L D]. pose proof (set_more_possible a P) as Q. rewrite H_more_is, H_lambda_is_mixed by trivial.
  pose proof (mixed_below (F_lambda (set_more a)) (F_lambda a) (H_B a) (H_C a) (F_lambda_inside _ Q) (F_lambda_inside a P)) as B.
  pose proof (slope_dialled _ Q) as S. change (H_B (set_more a)) with (H_B a) in S. change (H_C (set_more a)) with (H_C a) in S.
  change (sbar_B (set_more a)) with (sbar_B a) in S. change (sbar_C (set_more a)) with (sbar_C a) in S. simpl in S.
  rewrite S in B. pose proof (F_more_above a P L). pose proof (tau_pos a P) as T.
  assert (0 <= (F_lambda (set_more a) - F_lambda a) * ((sbar_C a - sbar_B a - - (tau a * ln (1 - lambda_more a))) / tau a)).
  { apply Rmult_le_pos; [lra |]. apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]. }
  lra.
Qed.

Theorem falls_beyond_the_gap : forall a, possible a ->
  lambda_more a >= lambda a /\ - (tau a * ln (1 - lambda a)) >= - sbar_B a + sbar_C a -> H_more a <= H_lambda a.
Proof.
  intros a P [L D]. pose proof (set_more_possible a P) as Q. rewrite H_more_is, H_lambda_is_mixed by trivial.
  pose proof (mixed_below (F_lambda a) (F_lambda (set_more a)) (H_B a) (H_C a) (F_lambda_inside a P) (F_lambda_inside _ Q)) as B.
  rewrite (slope_dialled a P) in B. pose proof (F_more_above a P L). pose proof (tau_pos a P) as T.
  assert (0 <= (F_lambda (set_more a) - F_lambda a) * (- ((sbar_C a - sbar_B a - - (tau a * ln (1 - lambda a))) / tau a))).
  { apply Rmult_le_pos; [lra |]. unfold Rdiv. rewrite Ropp_mult_distr_l. apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]. }
  lra.
Qed.

Theorem peak : forall a, possible a -> H_lambda a <= ln (exp (H_B a) + exp (H_C a)).
Proof. intros a P. rewrite H_lambda_is_mixed by trivial. apply mixed_peak. now apply F_lambda_inside. Qed.

Theorem score_gap : forall a, possible a -> sbar_B a - sbar_C a >= delta_mean a.
Proof. intros a P. unfold delta_mean. pose proof (sbar_B_above_mean a P). pose proof (sbar_C_below_largest a P). lra. Qed.

Theorem falls_beyond_the_margin : forall a, possible a ->
  lambda_more a >= lambda a /\ - (tau a * ln (1 - lambda a)) >= - delta_mean a -> H_more a <= H_lambda a.
Proof. intros a P [L D]. apply falls_beyond_the_gap; trivial. pose proof (score_gap a P). split; [exact L | lra]. Qed.

Theorem mean_margin_suffices : forall a, possible a -> delta_mean a >= 0 -> H_lambda a <= H a.
Proof. intros a P L. apply falls; trivial. pose proof (score_gap a P). lra. Qed.

Theorem whole_way : forall a, possible a ->
  (H_1 a <= H a <-> epsilon a * (H_B a - H_C a) <= BinaryEntropy (F a)).
Proof.
  intros a P. rewrite H_1_is, H_is_mixed by trivial. unfold mixed.
  replace (epsilon a) with (1 - F a) by (pose proof (F_and_epsilon a P); lra). split; lra.
Qed.
