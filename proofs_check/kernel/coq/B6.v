(** B6, the gate: plain and dialled output mix the same conditional means, the block's and the rest's. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts Moved B3.
Open Scope R_scope.

Section Facts.
Variable a : row.
Hypothesis P : possible a.

(** Attention restricted to the block gives the block's mean value. *)
Lemma o_B_is : o_B a = vbar_B a.
Proof.
  apply sum_ext. intros i _. f_equal. unfold masked_mass. fold (Z_B a). rewrite mass_is, F_is.
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). field. lra.
Qed.

(** The further key weighs as much as the block. *)
Lemma null_weight_is : null_weight a = Z_B a.
Proof. apply exp_ln. now apply Z_B_pos. Qed.

Lemma all_is : sum (boltzmann a) (keys a) = Z_B a + Z_C a.
Proof. unfold keys. apply sum_app. Qed.

Lemma p_null_is : p_null a = Z_B a / (Z_B a + (Z_B a + Z_C a)).
Proof. unfold p_null. now rewrite null_weight_is, all_is. Qed.
End Facts.

Theorem gate : forall a, possible a ->
  o_lambda a = F a * lambda a * (o_B a - o_plain a) / (- lambda a * (1 - F a) + 1) + o_plain a.
Proof.
  intros a P. rewrite o_B_is by trivial. unfold o_lambda, o_plain. destruct (outputs a P) as [-> ->].
  pose proof (F_and_epsilon a P) as S. pose proof (F_lambda_and_epsilon a P) as T. pose proof (F_inside a P). pose proof (dial_inside a P).
  replace (epsilon_lambda a) with (1 - F_lambda a) by lra. rewrite F_lambda_is by trivial. replace (epsilon a) with (1 - F a) by lra.
  assert (0 < (1 - lambda a) * (1 - F a)) by (apply Rmult_lt_0_compat; lra). field. lra.
Qed.

Theorem null_key : forall a, possible a -> p_null a = F a / (F a + 1).
Proof.
  intros a P. rewrite p_null_is, F_is by trivial. pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). field. lra.
Qed.

Theorem fidelity : forall a, possible a -> F a = p_null a / (1 - p_null a).
Proof. intros a P. rewrite null_key by trivial. pose proof (F_inside a P). field. lra. Qed.

Theorem plain_output : forall a, possible a -> o_plain a = o_null a / (1 - p_null a).
Proof.
  intros a P. rewrite p_null_is by trivial. unfold o_plain, o_null, Row.output. rewrite null_weight_is, all_is by trivial.
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P).
  rewrite (sum_ext (fun i => boltzmann a i / (Z_B a + (Z_B a + Z_C a)) * value i)
    (fun i => mass a i * value i * ((Z_B a + Z_C a) / (Z_B a + (Z_B a + Z_C a))))).
  - rewrite sum_scale_r. field. lra.
  - intros i _. rewrite mass_is. field. lra.
Qed.
