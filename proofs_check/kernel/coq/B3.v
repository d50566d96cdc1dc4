(** B3, the cost of the dial: it scales the block's masses by one factor and the others' by another. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts Moved.
Open Scope R_scope.

(** Every mass of the block is multiplied by [F_lambda / F]. *)
Lemma mass_in_is : forall a i, possible a -> mass_in a i = mass a i * (F_lambda a / F a).
Proof.
  intros a i P. unfold mass_in. rewrite !mass_is.
  unfold F_lambda. rewrite !F_is.
  rewrite Z_B_dialled, Z_C_dialled by trivial. change (boltzmann (dialled a)) with (boltzmann a).
  rewrite boltzmann_raised, exp_bias by trivial. pose proof (dial_inside a P).
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  assert (0 < (1 - lambda a) * Z_C a) by (apply Rmult_lt_0_compat; lra). field. repeat split; lra.
Qed.

(** Every mass outside by [epsilon_lambda / epsilon]. *)
Lemma mass_out_is : forall a i, possible a -> mass_out a i = mass a i * (epsilon_lambda a / epsilon a).
Proof.
  intros a i P. unfold mass_out. rewrite !mass_is.
  unfold epsilon_lambda. rewrite !epsilon_is.
  rewrite Z_B_dialled, Z_C_dialled by trivial. change (boltzmann (dialled a)) with (boltzmann a).
  pose proof (dial_inside a P). pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  assert (0 < (1 - lambda a) * Z_C a) by (apply Rmult_lt_0_compat; lra). field. repeat split; lra.
Qed.

Section Cost.
Variable a : row.
Hypothesis P : possible a.

(** The sums of the dialled masses over block and complement are the dialled fidelity and leak. *)
Lemma dialled_masses : sum (mass_in a) (block a) = F_lambda a /\ sum (mass_out a) (others a) = epsilon_lambda a.
Proof. split; [unfold F_lambda, F; simpl; now rewrite sum_map | reflexivity]. Qed.

Lemma factor_in : 1 <= F_lambda a / F a.
Proof.
  pose proof (F_lambda_above a P). pose proof (F_inside a P).
  apply (Rmult_le_reg_r (F a)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma factor_out : 0 < epsilon_lambda a / epsilon a <= 1.
Proof.
  pose proof (F_lambda_above a P). pose proof (epsilon_inside a P). pose proof (F_and_epsilon a P).
  pose proof (F_lambda_and_epsilon a P). pose proof (F_lambda_inside a P). split.
  - apply Rdiv_lt_0_compat; lra.
  - apply (Rmult_le_reg_r (epsilon a)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.
End Cost.

Theorem total_variation : forall a, possible a -> TV a = - F a + F_lambda a.
Proof.
  intros a P. unfold TV. pose proof (dialled_masses a) as [SB SC].
  rewrite (sum_ext (fun i => Rabs (mass_in a i - mass a i)) (fun i => mass_in a i - mass a i)).
  - rewrite (sum_ext (fun i => Rabs (mass_out a i - mass a i)) (fun i => mass a i - mass_out a i)).
    + rewrite !sum_minus, SB, SC. fold (F a) (epsilon a).
      pose proof (F_and_epsilon a P). pose proof (F_lambda_and_epsilon a P). lra.
    + intros i _. rewrite mass_out_is by trivial. pose proof (factor_out a P). pose proof (mass_pos a P i).
      rewrite Rabs_minus_sym. apply Rabs_pos_eq. rewrite <- (Rmult_1_r (mass a i)) at 1.
      rewrite <- Rmult_minus_distr_l. apply Rmult_le_pos; lra.
  - intros i _. rewrite mass_in_is by trivial. pose proof (factor_in a P). pose proof (mass_pos a P i).
    apply Rabs_pos_eq. rewrite <- (Rmult_1_r (mass a i)) at 2. rewrite <- Rmult_minus_distr_l. apply Rmult_le_pos; lra.
Qed.

Theorem divergence : forall a, possible a -> KL a = BinaryDivergence (F_lambda a) (F a).
Proof.
  intros a P. unfold KL, BinaryDivergence. pose proof (dialled_masses a) as [SB SC].
  pose proof (factor_in a P). pose proof (factor_out a P).
  rewrite (sum_ext _ (fun i => mass_in a i * ln (F_lambda a / F a)) (block a)).
  - rewrite (sum_ext _ (fun i => mass_out a i * ln (epsilon_lambda a / epsilon a)) (others a)).
    + rewrite !sum_scale_r, SB, SC. replace (1 - F_lambda a) with (epsilon_lambda a)
        by (pose proof (F_lambda_and_epsilon a P); lra).
      replace (1 - F a) with (epsilon a) by (pose proof (F_and_epsilon a P); lra). reflexivity.
    + intros i _. rewrite (mass_out_is a i P) at 2. pose proof (mass_pos a P i). rewrite ln_mult by lra. ring.
  - intros i _. rewrite (mass_in_is a i P) at 2. pose proof (mass_pos a P i). rewrite ln_mult by lra. ring.
Qed.

(** A part's share of the output is its mass times its mean value. *)
Lemma outputs : forall a, possible a ->
  output a = F a * vbar_B a + epsilon a * vbar_C a /\
  output (dialled a) = F_lambda a * vbar_B a + epsilon_lambda a * vbar_C a.
Proof.
  intros a P. unfold output, vbar_B, vbar_C, keys. simpl. rewrite !sum_app, sum_map, <- !sum_scale.
  pose proof (F_inside a P). pose proof (epsilon_inside a P).
  split; f_equal; apply sum_ext; intros i _; simpl.
  - field; lra.
  - field; lra.
  - fold (mass_in a i). rewrite mass_in_is by trivial. field; lra.
  - fold (mass_out a i). rewrite mass_out_is by trivial. field; lra.
Qed.

Theorem output : forall a, possible a -> Delta_o a = (- F a + F_lambda a) * (vbar_B a - vbar_C a).
Proof.
  intros a P. unfold Delta_o. destruct (outputs a P) as [-> ->].
  pose proof (F_and_epsilon a P). pose proof (F_lambda_and_epsilon a P).
  replace (epsilon_lambda a) with (1 - F_lambda a) by lra. replace (epsilon a) with (1 - F a) by lra. ring.
Qed.

(** A weighted mean lies between least and largest value. *)
Lemma mean_value_inside : forall a l t, possible a -> 0 < t -> sum (mass a) l = t ->
  (forall i, In i l -> In i (keys a)) ->
  least value (keys a) <= sum (fun i => mass a i / t * value i) l <= largest value (keys a).
Proof.
  intros a l t P T S I.
  assert (O : sum (fun i => mass a i / t) l = 1) by (unfold Rdiv; rewrite sum_scale_r, S; now apply Rinv_r, Rgt_not_eq).
  assert (Q : forall i, 0 <= mass a i / t) by (intros i; left; apply Rdiv_lt_0_compat; trivial; now apply mass_pos).
  rewrite <- (Rmult_1_l (least value (keys a))), <- (Rmult_1_l (largest value (keys a))), <- O, <- !sum_scale_r.
  split; apply sum_le; intros i J; apply Rmult_le_compat_l; trivial.
  - now apply above_least, I.
  - now apply below_largest, I.
Qed.

Theorem output_bound : forall a, possible a -> Rabs (Delta_o a) <= diam_V a * (- F a + F_lambda a).
Proof.
  intros a P. rewrite output by trivial. pose proof (F_lambda_above a P). pose proof (F_inside a P). pose proof (epsilon_inside a P).
  rewrite Rabs_mult, (Rabs_pos_eq (- F a + F_lambda a)), Rmult_comm by lra. apply Rmult_le_compat_r; [lra |].
  pose proof (mean_value_inside a (block a) (F a) P ltac:(lra) eq_refl (fun i I => in_or_app _ _ _ (or_introl I))).
  pose proof (mean_value_inside a (others a) (epsilon a) P ltac:(lra) eq_refl (fun i I => in_or_app _ _ _ (or_intror I))).
  unfold diam_V, vbar_B, vbar_C. apply Rabs_le. lra.
Qed.
