(** What follows at once from the definitions of a row: its masses, and where its margins lie. *)
Require Import Reals Lra Psatz List.
From Localist Require Import Functions Sums Row.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : row.
Hypothesis P : possible a.

Definition Z_B : R := sum (boltzmann a) (block a).
Definition Z_C : R := sum (boltzmann a) (others a).

Lemma tau_pos : 0 < tau a.
Proof. now destruct P as (_ & _ & T & _). Qed.

Lemma block_not_empty : block a <> [].
Proof. now destruct P as (N & _). Qed.

Lemma others_not_empty : others a <> [].
Proof. now destruct P as (_ & N & _). Qed.

Lemma m_pos : 1 <= m a.
Proof. apply count_at_least_1, block_not_empty. Qed.

Lemma k_pos : 1 <= k a.
Proof. apply count_at_least_1, others_not_empty. Qed.

Lemma Z_B_pos : 0 < Z_B.
Proof. apply sum_pos; [apply block_not_empty | intros; apply exp_pos]. Qed.

Lemma Z_C_pos : 0 < Z_C.
Proof. apply sum_pos; [apply others_not_empty | intros; apply exp_pos]. Qed.

(** A mass is an exponential over both sums. *)
Lemma mass_is : forall i, mass a i = boltzmann a i / (Z_B + Z_C).
Proof. intros i. unfold mass, keys. now rewrite sum_app. Qed.

Lemma mass_pos : forall i, 0 < mass a i.
Proof.
  intros i. rewrite mass_is. pose proof Z_B_pos. pose proof Z_C_pos.
  apply Rdiv_lt_0_compat; [apply exp_pos | lra].
Qed.

Lemma F_is : F a = Z_B / (Z_B + Z_C).
Proof. unfold F. rewrite (sum_ext _ _ _ (fun i _ => mass_is i)). unfold Rdiv. apply sum_scale_r. Qed.

Lemma epsilon_is : epsilon a = Z_C / (Z_B + Z_C).
Proof. unfold epsilon. rewrite (sum_ext _ _ _ (fun i _ => mass_is i)). unfold Rdiv. apply sum_scale_r. Qed.

(** Fidelity and leak share all the mass. *)
Lemma F_and_epsilon : F a + epsilon a = 1.
Proof. rewrite F_is, epsilon_is. pose proof Z_B_pos. pose proof Z_C_pos. field. lra. Qed.

Lemma F_inside : 0 < F a < 1.
Proof.
  pose proof F_and_epsilon as S. rewrite F_is in *. rewrite epsilon_is in S.
  pose proof Z_B_pos. pose proof Z_C_pos.
  assert (0 < Z_C / (Z_B + Z_C)) by (apply Rdiv_lt_0_compat; lra).
  split; [apply Rdiv_lt_0_compat |]; lra.
Qed.

Lemma epsilon_inside : 0 < epsilon a < 1.
Proof. pose proof F_inside. pose proof F_and_epsilon. lra. Qed.

(** The soft margin through the sums of exponentials. *)
Lemma Delta_is : Delta a = ln Z_B - ln Z_C - ln (m a / k a).
Proof.
  unfold Delta, mean. fold Z_B Z_C (m a) (k a).
  pose proof m_pos. pose proof k_pos. pose proof Z_B_pos. pose proof Z_C_pos.
  rewrite !ln_quotient by lra. ring.
Qed.

(** The leak is the logistic function of the soft margin: the softmax identity. *)
Lemma epsilon_is_logistic : epsilon a = Logistic (- Delta a - ln (m a / k a)).
Proof.
  unfold Logistic. rewrite Delta_is, epsilon_is. pose proof Z_B_pos. pose proof Z_C_pos.
  replace (- (- (ln Z_B - ln Z_C - ln (m a / k a)) - ln (m a / k a))) with (ln Z_B + - ln Z_C) by ring.
  rewrite exp_plus, exp_Ropp, !exp_ln by assumption. field. lra.
Qed.

(** Over the positive temperature, order is kept. *)
Lemma over_tau_le : forall x y, x <= y -> x / tau a <= y / tau a.
Proof. intros x y L. pose proof tau_pos. apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | exact L]. Qed.

(** A mean score over the temperature is at most the log-mean-exp. *)
Lemma mean_below_log_mean_exp : forall l, l <> [] -> mean score l / tau a <= ln (mean (boltzmann a) l).
Proof.
  intros l N. pose proof (count_at_least_1 l N). pose proof tau_pos.
  pose proof (jensen_exp (fun i => score i / tau a) l N) as J.
  replace (mean (fun i => score i / tau a) l) with (mean score l / tau a) in J.
  - rewrite <- (ln_exp (mean score l / tau a)). apply ln_le; [apply exp_pos | exact J].
  - unfold mean, Rdiv. rewrite sum_scale_r. ring.
Qed.

(** A log-mean-exp is at most any bound of the scores, over the temperature. *)
Lemma log_mean_exp_below : forall l c, l <> [] -> (forall i, In i l -> score i <= c) ->
  ln (mean (boltzmann a) l) <= c / tau a.
Proof.
  intros l c N B. rewrite <- (ln_exp (c / tau a)). apply ln_le.
  - apply mean_pos; [exact N | intros; apply exp_pos].
  - apply mean_below; [exact N | intros i I; apply exp_le, over_tau_le, B, I].
Qed.

(** The margin is at most the mean margin. *)
Lemma delta_le_mean : delta a <= delta_mean a.
Proof.
  unfold delta, delta_mean. pose proof (mean_above score (block a) _ block_not_empty (above_least score (block a))). lra.
Qed.

Lemma d_le_mean : d a <= d_mean a.
Proof. apply over_tau_le, delta_le_mean. Qed.

(** The mean margin, over the temperature, is at most the soft margin. *)
Lemma d_mean_le_Delta : d_mean a <= Delta a.
Proof.
  unfold d_mean, delta_mean, Delta, Rdiv. rewrite Rmult_minus_distr_r.
  pose proof (mean_below_log_mean_exp _ block_not_empty).
  pose proof (log_mean_exp_below _ _ others_not_empty (below_largest score (others a))).
  unfold Rdiv in *. lra.
Qed.

(** The soft margin is at most the largest block score less the mean outside, over the temperature. *)
Lemma Delta_le_top : Delta a <= delta_top a / tau a.
Proof.
  unfold delta_top, Delta, Rdiv. rewrite Rmult_minus_distr_r.
  pose proof (mean_below_log_mean_exp _ others_not_empty).
  pose proof (log_mean_exp_below _ _ block_not_empty (below_largest score (block a))).
  unfold Rdiv in *. lra.
Qed.

(** And that is at most the range. *)
Lemma top_le_range : delta_top a / tau a <= r a.
Proof.
  apply over_tau_le. unfold delta_top, keys.
  destruct (largest_attained score (block a) block_not_empty) as (i & I & ->).
  pose proof (below_largest score (block a ++ others a) i (in_or_app _ _ _ (or_introl I))).
  pose proof (mean_above score (others a) (least score (block a ++ others a)) others_not_empty
    (fun j J => above_least score _ j (in_or_app _ _ _ (or_intror J)))).
  lra.
Qed.

(** The leak is at most the logistic function of anything below the soft margin. *)
Lemma epsilon_below : forall x, x <= Delta a -> epsilon a <= Logistic (- x - ln (m a / k a)).
Proof. intros x L. rewrite epsilon_is_logistic. apply logistic_le. lra. Qed.

(** The logistic bound written out. *)
Lemma leak_bound_is : forall x, Logistic (- x - ln (m a / k a)) = k a * exp (- x) / (m a + k a * exp (- x)).
Proof.
  intros x. unfold Logistic. pose proof m_pos. pose proof k_pos. pose proof (exp_pos (- x)).
  replace (- (- x - ln (m a / k a))) with (- - x + ln (m a / k a)) by ring.
  rewrite exp_plus, (exp_Ropp (- x)), exp_ln by (apply Rdiv_lt_0_compat; lra). 
  assert (0 < k a * exp (- x)) by (apply Rmult_lt_0_compat; lra).
  field. repeat split; lra.
Qed.

(** Without its own term in the denominator it is larger: the exponential form. *)
Lemma leak_bound_exponential : forall x, Logistic (- x - ln (m a / k a)) <= k a * exp (- x) / m a.
Proof.
  intros x. rewrite leak_bound_is. pose proof m_pos. pose proof k_pos. pose proof (exp_pos (- x)).
  assert (0 < k a * exp (- x)) by (apply Rmult_lt_0_compat; lra).
  apply Rmult_le_compat_l; [lra | apply Rinv_le_contravar; lra].
Qed.

(** Soft margin against the threshold is leak against the target. *)
Lemma threshold_iff : forall x e, 0 < e < 1 ->
  (Logistic (- x - ln (m a / k a)) <= e <-> x >= ln (k a / m a) + Logit (1 - e)).
Proof.
  intros x e E. rewrite logistic_le_iff, logit_complement by assumption.
  pose proof m_pos. pose proof k_pos. rewrite !ln_quotient by lra. split; lra.
Qed.
End Facts.
