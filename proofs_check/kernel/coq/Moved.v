(** The dialled row and the penalised row are possible rows too, with their sums of exponentials scaled. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Open Scope R_scope.

(** Raising scores leaves the weights alone. *)
Lemma weights_kept : forall x l, sum weight (map (raised x) l) = sum weight l.
Proof. intros x l. rewrite sum_map. reflexivity. Qed.

Lemma weight_raised : forall x l, (forall i, In i l -> 0 <= weight i) -> forall i, In i (map (raised x) l) -> 0 <= weight i.
Proof. intros x l W i I. apply in_map_iff in I as (j & <- & J). exact (W j J). Qed.

Lemma map_not_empty : forall x l, l <> nil -> map (raised x) l <> nil.
Proof. intros x [| i l] N; [congruence | discriminate]. Qed.

Section Moved.
Variable a : row.
Hypothesis P : possible a.

Lemma dialled_possible : possible (dialled a).
Proof.
  destruct P as (B & C & T & L & Q & E & G & W & S & M). unfold possible, keys in *. simpl.
  repeat split; try apply E; try apply G; try tauto.
  - now apply map_not_empty.
  - intros i I. apply in_app_or in I as [I | I].
    + eapply weight_raised; [| exact I]. intros j J. apply W, in_or_app. auto.
    + apply W, in_or_app. auto.
  - rewrite sum_app, weights_kept, <- sum_app. exact S.
Qed.

Lemma penalised_possible : possible (penalised a).
Proof.
  destruct P as (B & C & T & L & Q & E & G & W & S & M). unfold possible, keys in *. simpl.
  repeat split; try apply E; try apply G; try tauto.
  - now apply map_not_empty.
  - intros i I. apply in_app_or in I as [I | I].
    + apply W, in_or_app. auto.
    + eapply weight_raised; [| exact I]. intros j J. apply W, in_or_app. auto.
  - rewrite sum_app, weights_kept, <- sum_app. exact S.
Qed.

Lemma dial_inside : 0 <= lambda a < 1.
Proof. now destruct P as (_ & _ & _ & L & _). Qed.

(** Raising a score multiplies its exponential. *)
Lemma boltzmann_raised : forall x i, boltzmann a (raised x i) = boltzmann a i * exp (x / tau a).
Proof.
  intros x i. unfold boltzmann. simpl. rewrite <- exp_plus. f_equal. field.
  pose proof (tau_pos a P). lra.
Qed.

(** The dial's bias divides by [1 - lambda]. *)
Lemma exp_bias : exp (bias a / tau a) = / (1 - lambda a).
Proof.
  pose proof dial_inside. pose proof (tau_pos a P). unfold bias.
  replace (- tau a * ln (1 - lambda a) / tau a) with (- ln (1 - lambda a)) by (field; lra).
  rewrite exp_Ropp, exp_ln; lra.
Qed.

Lemma Z_B_dialled : Z_B (dialled a) = Z_B a / (1 - lambda a).
Proof.
  unfold Z_B. simpl. rewrite sum_map. unfold Rdiv. rewrite <- exp_bias, <- sum_scale_r.
  apply sum_ext. intros i _. apply boltzmann_raised.
Qed.

Lemma Z_C_dialled : Z_C (dialled a) = Z_C a.
Proof. reflexivity. Qed.

Lemma Z_B_penalised : Z_B (penalised a) = Z_B a.
Proof. reflexivity. Qed.

Lemma Z_C_penalised : Z_C (penalised a) = Z_C a * exp (- pi a / tau a).
Proof.
  unfold Z_C. simpl. rewrite sum_map, <- sum_scale_r.
  apply sum_ext. intros i _. apply boltzmann_raised.
Qed.

(** The penalty adds to the margins. *)
Lemma k_penalised : k (penalised a) = k a.
Proof. unfold k, count. simpl. now rewrite map_length. Qed.

Lemma Delta_penalised : Delta (penalised a) = Delta a + pi a / tau a.
Proof.
  rewrite !Delta_is by (trivial; apply penalised_possible).
  rewrite Z_B_penalised, Z_C_penalised, k_penalised. change (m (penalised a)) with (m a).
  pose proof (Z_C_pos a P). rewrite ln_mult, ln_exp by (trivial; apply exp_pos).
  field. pose proof (tau_pos a P). lra.
Qed.

(** Fidelity with the dial on, in terms of the plain one; its leak too. *)
Lemma F_lambda_is : F_lambda a = F a / (F a + (1 - lambda a) * epsilon a).
Proof.
  unfold F_lambda. rewrite F_is, Z_B_dialled, Z_C_dialled by apply dialled_possible.
  rewrite F_is, epsilon_is by trivial. pose proof dial_inside.
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  assert (0 < (1 - lambda a) * Z_C a) by (apply Rmult_lt_0_compat; lra). field. repeat split; lra.
Qed.

Lemma F_lambda_and_epsilon : F_lambda a + epsilon_lambda a = 1.
Proof. apply F_and_epsilon, dialled_possible. Qed.

Lemma F_lambda_inside : 0 < F_lambda a < 1.
Proof. apply F_inside, dialled_possible. Qed.

(** The dial raises the fidelity. *)
Lemma F_lambda_above : F a <= F_lambda a.
Proof.
  rewrite F_lambda_is. pose proof (F_inside a P). pose proof (epsilon_inside a P). pose proof dial_inside.
  pose proof (F_and_epsilon a P). assert (0 <= lambda a * epsilon a) by (apply Rmult_le_pos; lra).
  assert (0 < (1 - lambda a) * epsilon a) by (apply Rmult_lt_0_compat; lra).
  apply (Rmult_le_reg_r (F a + (1 - lambda a) * epsilon a)); [lra |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. rewrite <- (Rmult_1_r (F a)) at 3.
  apply Rmult_le_compat_l; lra.
Qed.
End Moved.
