(** B4, penalty and dial: the shifted softmax maximises the penalised objective, and the penalty adds to the margins. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts Moved Entropy.
Open Scope R_scope.

(** The logarithm of a mass. *)
Lemma ln_mass : forall a i, possible a -> ln (mass a i) = score i / tau a - ln (Z_B a + Z_C a).
Proof.
  intros a i P. rewrite mass_is by trivial. pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  rewrite ln_quotient by (try apply exp_pos; lra). unfold boltzmann. now rewrite ln_exp.
Qed.

(** At the softmax, score and entropy add to the log-sum-exp, whatever the row. *)
Lemma objective_of_softmax : forall a, possible a ->
  sum (fun i => mass a i * score i) (keys a) + tau a * H a = tau a * ln (Z_B a + Z_C a).
Proof.
  intros a P. unfold H. rewrite <- sum_scale, <- sum_plus. pose proof (tau_pos a P).
  rewrite (sum_ext _ (fun i => mass a i * (tau a * ln (Z_B a + Z_C a)))).
  - rewrite sum_scale_r. unfold keys. rewrite sum_app. fold (F a) (epsilon a). rewrite F_and_epsilon by trivial. ring.
  - intros i _. unfold surprise. rewrite ln_mass by trivial. field. lra.
Qed.

(** On part of the keys no distribution beats the log-sum-exp by more than the mass it lacks there, times [tau]. *)
Lemma objective_of_part : forall a (p s : key -> R) l z, possible a -> 0 < z -> (forall i, In i l -> 0 <= p i) ->
  sum (fun i => p i * s i) l + tau a * sum (fun i => surprise (p i)) l
  <= tau a * (sum p l * ln z + sum (fun i => exp (s i / tau a)) l / z - sum p l).
Proof.
  intros a p s l z P Z N. pose proof (tau_pos a P) as T.
  pose proof (gibbs p (fun i => exp (s i / tau a) / z) l N
    (fun i _ => Rdiv_lt_0_compat _ _ (exp_pos _) Z)) as G.
  replace (sum (fun i => exp (s i / tau a) / z) l) with (sum (fun i => exp (s i / tau a)) l / z) in G
    by (unfold Rdiv; symmetry; apply sum_scale_r).
  apply (Rmult_le_compat_l (tau a)) in G; [| lra]. unfold surprise.
  assert (E : tau a * sum (fun i => - p i * ln (exp (s i / tau a) / z)) l
            = tau a * (sum p l * ln z) - sum (fun i => p i * s i) l).
  { rewrite <- sum_scale, <- sum_scale_r, <- sum_scale.
    rewrite <- sum_minus. apply sum_ext. intros i _.
    rewrite ln_quotient, ln_exp by (trivial; apply exp_pos). field. lra. }
  unfold Rdiv. rewrite !Rmult_minus_distr_l, !Rmult_plus_distr_l in *. lra.
Qed.

Theorem maximiser : forall a, possible a -> J_p a <= J_a a.
Proof.
  intros a P. pose proof (penalised_possible a P) as Q. unfold J_a.
  change (tau a) with (tau (penalised a)). rewrite objective_of_softmax by trivial.
  rewrite Z_B_penalised. set (z := Z_B a + Z_C (penalised a)). pose proof (Z_C_pos _ Q). pose proof (Z_B_pos a P).
  assert (Z : 0 < z) by (unfold z; lra). change (tau (penalised a)) with (tau a).
  assert (W : forall i, In i (keys a) -> 0 <= weight i) by now destruct P as (_ & _ & _ & _ & _ & _ & _ & W & _).
  assert (S : 0 < sum weight (keys a)) by now destruct P as (_ & _ & _ & _ & _ & _ & _ & _ & S & _).
  assert (N : forall i, In i (keys a) -> 0 <= chosen a i).
  { intros i I. apply Rmult_le_pos; [now apply W | left; now apply Rinv_0_lt_compat]. }
  assert (O : sum (chosen a) (block a) + sum (chosen a) (others a) = 1).
  { rewrite <- sum_app. unfold chosen, Rdiv. rewrite sum_scale_r. apply Rinv_r. unfold keys in S |- *. lra. }
  pose proof (objective_of_part a (chosen a) score (block a) z P Z
    (fun i I => N i (in_or_app _ _ _ (or_introl I)))) as U.
  pose proof (objective_of_part a (chosen a) (fun i => score i - pi a) (others a) z P Z
    (fun i I => N i (in_or_app _ _ _ (or_intror I)))) as V.
  cbv beta in V. change (sum (fun i => exp (score i / tau a)) (block a)) with (Z_B a) in U.
  replace (sum (fun i => exp ((score i - pi a) / tau a)) (others a)) with (Z_C (penalised a)) in V
    by (unfold Z_C; simpl; now rewrite sum_map).
  replace (sum (fun i => chosen a i * (score i - pi a)) (others a))
    with (sum (fun i => chosen a i * score i) (others a) - pi a * sum (chosen a) (others a)) in V.
  2: { rewrite <- sum_scale, <- sum_minus. apply sum_ext. intros; ring. }
  unfold J_p, keys. rewrite !sum_app.
  assert (E : Z_B a / z + Z_C (penalised a) / z = 1) by (unfold z in *; field; lra).
  set (p := sum (chosen a) (block a)) in *. set (q := sum (chosen a) (others a)) in *.
  assert (G : tau a * (p * ln z + Z_B a / z - p) + tau a * (q * ln z + Z_C (penalised a) / z - q) = tau a * ln z).
  { replace q with (1 - p) by lra. replace (Z_C (penalised a) / z) with (1 - Z_B a / z) by lra. ring. }
  lra.
Qed.

Theorem soft_margin : forall a, possible a -> epsilon_pi a = Logistic (- Delta a - pi a / tau a - ln (m a / k a)).
Proof.
  intros a P. unfold epsilon_pi. rewrite epsilon_is_logistic by now apply penalised_possible.
  rewrite Delta_penalised, k_penalised by trivial. change (m (penalised a)) with (m a). f_equal. ring.
Qed.

(** The penalised leak meets the target exactly when the soft margin and the penalty reach the threshold. *)
Lemma target_iff : forall a, possible a ->
  epsilon_pi a <= epsilon_target a <-> Delta a + pi a / tau a >= ln (k a / m a) + Logit (1 - epsilon_target a).
Proof.
  intros a P. rewrite soft_margin by trivial. rewrite <- threshold_iff by (trivial; now destruct P as (_ & _ & _ & _ & _ & E & _)).
  now replace (- (Delta a + pi a / tau a) - ln (m a / k a)) with (- Delta a - pi a / tau a - ln (m a / k a)) by ring.
Qed.

(** A penalty that carries a margin below the soft one to the threshold meets the target. *)
Lemma threshold_by : forall a x, possible a -> x / tau a <= Delta a ->
  pi a >= Rmax 0 (- x + tau a * (ln (k a / m a) + Logit (1 - epsilon_target a))) -> epsilon_pi a <= epsilon_target a.
Proof.
  intros a x P L N. apply target_iff; trivial. set (t := ln (k a / m a) + Logit (1 - epsilon_target a)) in *.
  pose proof (Rmax_r 0 (- x + tau a * t)). pose proof (tau_pos a P).
  assert (E : t <= (x + pi a) / tau a).
  { replace t with (tau a * t / tau a) by (field; lra). apply over_tau_le; trivial. lra. }
  unfold Rdiv in *. rewrite Rmult_plus_distr_r in E. lra.
Qed.

Theorem threshold : forall a, possible a ->
  pi a >= Rmax 0 (- delta a + tau a * (ln (k a / m a) + Logit (1 - epsilon_target a))) ->
  epsilon_pi a <= epsilon_target a.
Proof.
  intros a P. apply threshold_by; trivial. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P).
  fold (d a). lra.
Qed.

Theorem mean_threshold : forall a, possible a ->
  pi a >= Rmax 0 (- delta_mean a + tau a * (ln (k a / m a) + Logit (1 - epsilon_target a))) ->
  epsilon_pi a <= epsilon_target a.
Proof. intros a P. apply threshold_by; trivial. now apply d_mean_le_Delta. Qed.

Theorem exact_threshold : forall a, possible a -> epsilon_pi a <= epsilon_target a ->
  pi a >= tau a * (- Delta a + ln (k a / m a) + Logit (1 - epsilon_target a)).
Proof.
  intros a P L. apply target_iff in L; trivial. pose proof (tau_pos a P).
  apply Rge_le, (Rmult_le_compat_l (tau a)) in L; [| lra].
  replace (tau a * (Delta a + pi a / tau a)) with (tau a * Delta a + pi a) in L by (field; lra). lra.
Qed.

Theorem exponential : forall a, possible a -> epsilon_pi a <= k a * exp (- ((delta a + pi a) / tau a)) / m a.
Proof.
  intros a P. eapply Rle_trans; [| now apply leak_bound_exponential]. rewrite soft_margin by trivial. apply logistic_le.
  pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P). unfold d, Rdiv in *. lra.
Qed.
