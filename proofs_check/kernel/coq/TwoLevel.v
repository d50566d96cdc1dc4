(** The rows that attain bounds: two levels the separation apart, and one pair the separation apart. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Import ListNotations.
Open Scope R_scope.

(** Exponentials over keys alike. *)
Lemma sum_level : forall (f : key -> R) s l, sum f (level s l) = count l * f (Key s 0 0 1).
Proof. intros f s l. unfold level. rewrite sum_map. apply sum_const. Qed.

Lemma count_level : forall s l, count (level s l) = count l.
Proof. intros s l. unfold count, level. now rewrite map_length. Qed.

Lemma level_not_empty : forall s l, l <> [] -> level s l <> [].
Proof. intros s [| i l] N; [congruence | discriminate]. Qed.

(** At temperature 1, keys of weight 1 make a possible row. *)
Lemma ones_possible : forall inside outside, inside <> [] -> outside <> [] ->
  (forall i, In i (inside ++ outside) -> weight i = 1) ->
  possible (Row inside outside 1 0 0 (1 / 2) (1 / 2) 0).
Proof.
  intros b c B C W. unfold possible, keys. simpl. repeat split; try lra; trivial.
  - intros i I. rewrite W by exact I. lra.
  - rewrite (sum_ext _ (fun _ => 1) _ W), sum_const. pose proof (count_at_least_1 (b ++ c)).
    assert (b ++ c <> []) by (now destruct b). specialize (H H0). lra.
Qed.

Lemma level_weight : forall s l i, In i (level s l) -> weight i = 1.
Proof. intros s l i I. apply in_map_iff in I as (j & <- & _). reflexivity. Qed.

Section Facts.
Variable a : row.
Hypothesis P : possible a.

Section At.
Variable s : R.

Lemma two_level_possible : possible (two_level_at s a).
Proof.
  apply ones_possible; try (apply level_not_empty; now apply block_not_empty || now apply others_not_empty).
  intros i I. apply in_app_or in I as [I | I]; eapply level_weight; exact I.
Qed.

Lemma m_two : m (two_level_at s a) = m a.
Proof. apply count_level. Qed.

Lemma k_two : k (two_level_at s a) = k a.
Proof. apply count_level. Qed.

Lemma Z_B_two : Z_B (two_level_at s a) = m a * exp s.
Proof. unfold Z_B. simpl. rewrite sum_level. unfold boltzmann. simpl. unfold Rdiv. now rewrite Rinv_1, Rmult_1_r. Qed.

Lemma Z_C_two : Z_C (two_level_at s a) = k a.
Proof.
  unfold Z_C. simpl. rewrite sum_level. unfold boltzmann. simpl. replace (0 / 1) with 0 by field. rewrite exp_0. apply Rmult_1_r.
Qed.

(** Its soft margin is the separation of its levels. *)
Lemma Delta_two : Delta (two_level_at s a) = s.
Proof.
  rewrite Delta_is by apply two_level_possible. rewrite Z_B_two, Z_C_two, m_two, k_two.
  pose proof (m_pos a P). pose proof (k_pos a P). pose proof (exp_pos s).
  rewrite ln_mult, ln_exp, ln_quotient by lra. ring.
Qed.

Lemma epsilon_at : epsilon (two_level_at s a) = Logistic (- s - ln (m a / k a)).
Proof.
  rewrite epsilon_is_logistic by apply two_level_possible. now rewrite Delta_two, m_two, k_two.
Qed.

(** Its entropy: a key's surprise is the log-sum less its score. *)
Lemma H_at : H (two_level_at s a) = s * Logistic (- s - ln (m a / k a)) + ln (k a * exp (- s) + m a).
Proof.
  rewrite <- epsilon_at. unfold H, keys. rewrite sum_app. simpl. rewrite !sum_level.
  pose proof two_level_possible as Q. pose proof (m_pos a P) as M. pose proof (k_pos a P) as K. pose proof (exp_pos s) as E.
  rewrite epsilon_is by exact Q. unfold surprise. rewrite !mass_is by exact Q.
  rewrite Z_B_two, Z_C_two. unfold boltzmann. simpl. replace (0 / 1) with 0 by field. replace (s / 1) with s by field.
  rewrite exp_0. fold (m a) (k a).
  assert (Z : 0 < m a * exp s + k a) by (pose proof (Rmult_lt_0_compat _ _ (Rlt_le_trans _ _ _ Rlt_0_1 M) E); lra).
  rewrite !ln_quotient, ln_exp, ln_1 by lra.
  assert (L : ln (m a * exp s + k a) = s + ln (k a * exp (- s) + m a)).
  { pose proof (exp_pos (- s)) as E'. assert (0 < k a * exp (- s)) by (apply Rmult_lt_0_compat; lra).
    rewrite <- (ln_exp s) at 2. rewrite <- ln_mult by lra. f_equal.
    rewrite Rmult_plus_distr_l, exp_Ropp. field. lra. }
  rewrite L. field. lra.
Qed.

End At.

Lemma epsilon_two_is : epsilon_two a = Logistic (- d a - ln (m a / k a)).
Proof. apply epsilon_at. Qed.

Lemma H_two_is : H_two a = d a * Logistic (- d a - ln (m a / k a)) + ln (k a * exp (- d a) + m a).
Proof. apply H_at. Qed.

(** The pair row's exponentials and their mean, for any separation. *)
Lemma pair_possible : possible (pair_row a).
Proof.
  apply ones_possible; try discriminate. intros i I. apply in_app_or in I as [[<- | I] | [<- | I]]; trivial; eapply level_weight; exact I.
Qed.

Lemma count_tail : forall l : list key, l <> [] -> count (tl l) = count l - 1.
Proof. intros [| i l] N; [congruence |]. unfold count. change (length (i :: l)) with (S (length l)). rewrite S_INR. simpl. ring. Qed.

Lemma H_pair_is : H_pair a = ln (k a + m a + exp (BinaryEntropy (Logistic (d a))) - 2).
Proof.
  set (s := Logistic (d a)). pose proof (logistic_inside (d a)) as S. fold s in S.
  set (x := exp ((1 - s) * d a)). set (y := exp (- s * d a)).
  assert (X : 0 < x) by apply exp_pos. assert (Y : 0 < y) by apply exp_pos.
  (* The separation is the log-odds of the share. *)
  assert (D : d a = ln s - ln (1 - s)).
  { rewrite <- ln_quotient by lra. symmetry. exact (logit_logistic (d a)). }
  assert (R : x * (1 - s) = y * s).
  { unfold x, y. rewrite <- (exp_ln (1 - s)) at 2 by lra. rewrite <- (exp_ln s) at 4 by lra. rewrite <- !exp_plus. f_equal.
    rewrite D. ring. }
  assert (E : x + y = exp (BinaryEntropy s)).
  { assert (T : exp (BinaryEntropy s) = y / (1 - s)).
    { unfold Rdiv. rewrite <- (exp_ln (/ (1 - s))) by (apply Rinv_0_lt_compat; lra). rewrite ln_Rinv by lra.
      unfold y. rewrite <- exp_plus. f_equal. unfold BinaryEntropy. rewrite D. ring. }
    rewrite T. apply (Rmult_eq_reg_r (1 - s)); [| lra]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
    rewrite Rmult_plus_distr_r, R. ring. }
  assert (M0 : x * ((1 - s) * d a) + y * (- s * d a) = 0).
  { replace (x * ((1 - s) * d a) + y * (- s * d a)) with ((x * (1 - s) - y * s) * d a) by ring. rewrite R. ring. }
  pose proof (m_pos a P) as M. pose proof (k_pos a P) as K.
  assert (ZB : Z_B (pair_row a) = x + (m a - 1)).
  { unfold Z_B. simpl. rewrite sum_level, count_tail by (now apply block_not_empty). fold (m a). unfold boltzmann. simpl.
    replace (0 / 1) with 0 by field. rewrite exp_0. fold s. unfold Rdiv. rewrite Rinv_1, Rmult_1_r. fold x. ring. }
  assert (ZC : Z_C (pair_row a) = y + (k a - 1)).
  { unfold Z_C. simpl. rewrite sum_level, count_tail by (now apply others_not_empty). fold (k a). unfold boltzmann. simpl.
    replace (0 / 1) with 0 by field. rewrite exp_0. fold s. unfold Rdiv. rewrite Rinv_1, Rmult_1_r. fold y. ring. }
  set (z := k a + m a + exp (BinaryEntropy s) - 2).
  assert (Z : Z_B (pair_row a) + Z_C (pair_row a) = z) by (rewrite ZB, ZC; unfold z; rewrite <- E; ring).
  assert (Q : 0 < z) by (unfold z; rewrite <- E; lra).
  unfold H_pair, H, keys. rewrite sum_app. simpl. rewrite !sum_level, !count_tail by (now apply block_not_empty || now apply others_not_empty).
  fold (m a) (k a). unfold surprise. rewrite !mass_is by apply pair_possible. rewrite Z. unfold boltzmann. simpl. fold s.
  replace (0 / 1) with 0 by field. unfold Rdiv. rewrite Rinv_1, !Rmult_1_r. fold x y. rewrite exp_0. fold (Rdiv x z) (Rdiv y z) (Rdiv 1 z).
  rewrite !ln_quotient, ln_1 by lra. unfold x at 2, y at 2. rewrite !ln_exp.
  assert (U : x + y + (m a - 1) + (k a - 1) = z) by (unfold z; rewrite <- E; ring).
  replace (- (x / z) * ((1 - s) * d a - ln z) + (m a - 1) * (- (1 / z) * (0 - ln z)) +
    (- (y / z) * (- s * d a - ln z) + (k a - 1) * (- (1 / z) * (0 - ln z))))
    with ((x + y + (m a - 1) + (k a - 1)) / z * ln z - (x * ((1 - s) * d a) + y * (- s * d a)) / z) by (field; lra).
  rewrite M0, U. field. lra.
Qed.
End Facts.
