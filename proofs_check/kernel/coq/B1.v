(** B1, the dial's odds law: the block's sum of exponentials is divided by [1 - lambda], hence the odds of the leak. *)
Require Import Reals Lra Psatz List.
From Localist Require Import Functions Sums Row RowFacts Moved.
Open Scope R_scope.

Theorem leak : forall a, possible a ->
  epsilon_lambda a = epsilon a * (1 - lambda a) / (- epsilon a * lambda a + 1).
Proof.
  intros a P. replace (epsilon_lambda a) with (1 - F_lambda a) by (pose proof (F_lambda_and_epsilon a P); lra).
  rewrite F_lambda_is by trivial. pose proof (F_and_epsilon a P) as S.
  pose proof (epsilon_inside a P). pose proof (dial_inside a P).
  replace (F a) with (1 - epsilon a) by lra. assert (0 < 1 - epsilon a * lambda a) by nra. field. nra.
Qed.

Theorem odds : forall a, possible a -> Logit (F_lambda a) = - ln (1 - lambda a) + Logit (F a).
Proof.
  intros a P. pose proof (F_and_epsilon a P) as S. pose proof (F_inside a P). pose proof (dial_inside a P).
  assert (D : 0 < F a + (1 - lambda a) * (1 - F a)) by nra.
  unfold Logit. rewrite F_lambda_is by trivial. replace (epsilon a) with (1 - F a) by lra.
  replace (F a / (F a + (1 - lambda a) * (1 - F a)) / (1 - F a / (F a + (1 - lambda a) * (1 - F a))))
    with (F a / (1 - F a) / (1 - lambda a)) by (field; nra).
  rewrite (ln_quotient (F a / (1 - F a))) by (try apply Rdiv_lt_0_compat; lra). ring.
Qed.

(** The dial that a target needs is at most 1 exactly as cross-multiplied. *)
Lemma needed_iff : forall f g x, 0 < f < 1 -> 0 < g < 1 -> 0 <= x < 1 ->
  (x >= - f * (1 - g) / (g * (1 - f)) + 1 <-> f / (f + (1 - x) * (1 - f)) >= g).
Proof.
  intros f g x I G X. assert (D : 0 < f + (1 - x) * (1 - f)) by nra. assert (E : 0 < g * (1 - f)) by nra.
  assert (A : (x - (- f * (1 - g) / (g * (1 - f)) + 1)) * (g * (1 - f)) = f * (1 - g) - (1 - x) * (g * (1 - f)))
    by (field; lra).
  assert (B : (f / (f + (1 - x) * (1 - f)) - g) * (f + (1 - x) * (1 - f)) = f * (1 - g) - (1 - x) * (g * (1 - f)))
    by (field; lra).
  rewrite <- B in A. split; intros L; apply Rle_ge, Rnot_lt_le; intros N.
  - assert (0 <= (x - (- f * (1 - g) / (g * (1 - f)) + 1)) * (g * (1 - f))) by (apply Rmult_le_pos; lra).
    assert (0 < (g - f / (f + (1 - x) * (1 - f))) * (f + (1 - x) * (1 - f))) by (apply Rmult_lt_0_compat; lra). lra.
  - assert (0 < (- f * (1 - g) / (g * (1 - f)) + 1 - x) * (g * (1 - f))) by (apply Rmult_lt_0_compat; lra).
    assert (0 <= (f / (f + (1 - x) * (1 - f)) - g) * (f + (1 - x) * (1 - f))) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma needed_of_row : forall a, possible a ->
  lambda a >= - F a * (1 - F_target a) / (F_target a * (1 - F a)) + 1 <-> F_lambda a >= F_target a.
Proof.
  intros a P. rewrite F_lambda_is by trivial. replace (epsilon a) with (1 - F a) by (pose proof (F_and_epsilon a P); lra).
  apply needed_iff; [now apply F_inside | now destruct P as (_ & _ & _ & _ & _ & _ & G & _) | now apply dial_inside].
Qed.

Theorem dial_needed : forall a, possible a ->
  lambda a >= Rmax 0 (- F a * (1 - F_target a) / (F_target a * (1 - F a)) + 1) -> F_lambda a >= F_target a.
Proof.
  intros a P L. apply needed_of_row; trivial.
  pose proof (Rmax_r 0 (- F a * (1 - F_target a) / (F_target a * (1 - F a)) + 1)). lra.
Qed.

Theorem dial_necessary : forall a, possible a ->
  F_lambda a >= F_target a -> lambda a >= Rmax 0 (- F a * (1 - F_target a) / (F_target a * (1 - F a)) + 1).
Proof.
  intros a P L. apply needed_of_row in L; trivial. pose proof (dial_inside a P).
  apply Rle_ge, Rmax_lub; lra.
Qed.
