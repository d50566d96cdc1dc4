(** A4, entropy above: each bound is a cross-entropy against the masses of the row that attains it. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts Entropy TwoLevel.
Open Scope R_scope.

Theorem chain_rule : forall a, possible a -> H a = F a * H_B a + H_C a * epsilon a + BinaryEntropy (epsilon a).
Proof. intros a P. rewrite Entropy.chain_rule by trivial. ring. Qed.

Theorem given_fidelity : forall a, possible a ->
  H a <= F a * ln (m a) + epsilon a * ln (k a) + BinaryEntropy (epsilon a).
Proof.
  intros a P. pose proof (m_pos a P). pose proof (k_pos a P). pose proof (F_inside a P). pose proof (epsilon_inside a P).
  pose proof (F_and_epsilon a P) as S.
  assert (T : m a * (F a / m a) + k a * (epsilon a / k a) = 1) by (rewrite <- S; field; lra).
  pose proof (below_two_levels a P (F a / m a) (epsilon a / k a)
    ltac:(apply Rdiv_lt_0_compat; lra) ltac:(apply Rdiv_lt_0_compat; lra) T) as B.
  rewrite !ln_quotient in B by lra. unfold BinaryEntropy. replace (1 - epsilon a) with (F a) by lra. lra.
Qed.

(** The bound at any [x >= 0] whose leak bound holds. *)
Lemma given_leak : forall a x, possible a -> x >= 0 -> x <= Delta a ->
  H a <= x * Logistic (- x - ln (m a / k a)) + ln (k a * exp (- x) + m a).
Proof.
  intros a x P N L. pose proof (below_levels_apart a P x).
  pose proof (Rmult_le_compat_l x _ _ ltac:(lra) (epsilon_below a P x L)). lra.
Qed.

Theorem given_separation : forall a, possible a -> d a >= 0 ->
  H a <= d a * Logistic (- d a - ln (m a / k a)) + ln (k a * exp (- d a) + m a).
Proof.
  intros a P N. apply given_leak; trivial. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P). lra.
Qed.

Theorem given_mean_separation : forall a, possible a -> d_mean a >= 0 ->
  H a <= d_mean a * Logistic (- d_mean a - ln (m a / k a)) + ln (k a * exp (- d_mean a) + m a).
Proof. intros a P N. apply given_leak; trivial. now apply d_mean_le_Delta. Qed.

Theorem given_soft_margin : forall a, possible a ->
  H a <= Delta a * Logistic (- Delta a - ln (m a / k a)) + ln (k a * exp (- Delta a) + m a).
Proof. intros a P. rewrite <- epsilon_is_logistic by trivial. pose proof (below_levels_apart a P (Delta a)). lra. Qed.

Theorem exponential : forall a, possible a -> d a >= 0 ->
  H a <= k a * (d a + 1) * exp (- d a) / m a + ln (m a).
Proof.
  intros a P N. pose proof (given_separation a P N) as B.
  pose proof (Rmult_le_compat_l (d a) _ _ ltac:(lra) (leak_bound_exponential a P (d a))) as E.
  pose proof (m_pos a P). pose proof (k_pos a P). pose proof (exp_pos (- d a)).
  assert (0 < k a * exp (- d a)) by (apply Rmult_lt_0_compat; lra).
  assert (X : 0 < k a * exp (- d a) / m a) by (apply Rdiv_lt_0_compat; lra).
  pose proof (ln_below_tangent (1 + k a * exp (- d a) / m a) ltac:(lra)) as T.
  assert (L : ln (k a * exp (- d a) + m a) = ln (m a) + ln (1 + k a * exp (- d a) / m a)).
  { rewrite <- ln_mult by lra. f_equal. field. lra. }
  replace (k a * (d a + 1) * exp (- d a) / m a) with (d a * (k a * exp (- d a) / m a) + k a * exp (- d a) / m a)
    by (field; lra).
  lra.
Qed.

(** The two keys whose scores are the margin apart hold their mass in the ratio of the logistic function. *)
Lemma pair_shares : forall a i j, possible a -> score i - score j = delta a ->
  mass a i = (mass a i + mass a j) * Logistic (d a) /\ mass a j = (mass a i + mass a j) * (1 - Logistic (d a)).
Proof.
  intros a i j P E. rewrite !mass_is by trivial. unfold Logistic, d. rewrite exp_Ropp, <- E. unfold boltzmann.
  pose proof (tau_pos a P).
  replace (score i / tau a) with ((score i - score j) / tau a + score j / tau a) by (field; lra). rewrite exp_plus.
  set (x := exp ((score i - score j) / tau a)). set (y := exp (score j / tau a)).
  assert (0 < x) by apply exp_pos. assert (0 < y) by apply exp_pos.
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). split; field; repeat split; lra.
Qed.

Theorem one_pair : forall a, possible a -> d a < 0 ->
  H a <= ln (k a + m a + exp (BinaryEntropy (Logistic (d a))) - 2).
Proof.
  intros a P _.
  destruct (least_attained score (block a) (block_not_empty a P)) as (i & I & Ei).
  destruct (largest_attained score (others a) (others_not_empty a P)) as (j & J & Ej).
  assert (E : score i - score j = delta a) by (unfold delta; lra).
  destruct (pair_shares a i j P E) as [Si Sj].
  pose proof (m_pos a P) as M. pose proof (k_pos a P) as K.
  pose proof (logistic_inside (d a)) as [L1 L2]. set (s := Logistic (d a)) in *.
  set (h := BinaryEntropy s). pose proof (exp_pos h) as X. set (w := k a + m a + exp h - 2) in *.
  assert (W : 0 < w) by (unfold w; lra). set (p := mass a i + mass a j) in *.
  pose proof (F_and_epsilon a P) as S. rewrite H_split.
  pose proof (gibbs_level_but_one (mass a) (/ w) i (block a) (masses_nonneg a P _)
    ltac:(now apply Rinv_0_lt_compat) I) as B.
  pose proof (gibbs_level_but_one (mass a) (/ w) j (others a) (masses_nonneg a P _)
    ltac:(now apply Rinv_0_lt_compat) J) as C.
  fold (F a) (m a) in B. fold (epsilon a) (k a) in C. rewrite ln_Rinv in B, C by trivial.
  assert (Q1 : 0 < s * exp h) by (apply Rmult_lt_0_compat; lra).
  assert (Q2 : 0 < (1 - s) * exp h) by (apply Rmult_lt_0_compat; lra).
  pose proof (gibbs_term (mass a i) (s * exp h / w) ltac:(left; now apply mass_pos) ltac:(now apply Rdiv_lt_0_compat)) as Gi.
  pose proof (gibbs_term (mass a j) ((1 - s) * exp h / w) ltac:(left; now apply mass_pos) ltac:(now apply Rdiv_lt_0_compat)) as Gj.
  rewrite ln_quotient, ln_mult, ln_exp in Gi, Gj by lra.
  (* The pair's cross-entropy: its binary entropy and [h] cancel. *)
  assert (X2 : mass a i * ln s + mass a j * ln (1 - s) = - p * h).
  { rewrite Si, Sj. unfold h, BinaryEntropy. ring. }
  (* The masses compared against sum to 1. *)
  assert (T : (m a - 1) * / w + (k a - 1) * / w + s * exp h / w + (1 - s) * exp h / w = 1) by (unfold w in *; field; lra).
  assert (U : F a * ln w + epsilon a * ln w = ln w) by (rewrite <- Rmult_plus_distr_r, S; ring).
  unfold part, surprise. unfold p in X2. lra.
Qed.

Theorem attained : forall a, possible a ->
  H_two a = d a * Logistic (- d a - ln (m a / k a)) + ln (k a * exp (- d a) + m a).
Proof. exact H_two_is. Qed.

Theorem floor : forall a, possible a -> d a >= 0 ->
  d a * Logistic (- d a - ln (m a / k a)) + ln (k a * exp (- d a) + m a) >= ln (m a).
Proof.
  intros a P N. pose proof (m_pos a P). pose proof (k_pos a P). pose proof (exp_pos (- d a)).
  pose proof (logistic_inside (- d a - ln (m a / k a))) as L.
  pose proof (Rmult_le_pos (d a) _ ltac:(lra) (Rlt_le _ _ (proj1 L))).
  assert (0 < k a * exp (- d a)) by (apply Rmult_lt_0_compat; lra).
  pose proof (ln_le (m a) (k a * exp (- d a) + m a) ltac:(lra) ltac:(lra)). lra.
Qed.

Theorem one_pair_attained : forall a, possible a -> d a <= 0 ->
  H_pair a = ln (k a + m a + exp (BinaryEntropy (Logistic (d a))) - 2).
Proof. intros a P _. now apply H_pair_is. Qed.
