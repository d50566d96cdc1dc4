(** A3, the margin threshold: the logistic function rises, so the leak meets a target exactly from a threshold on. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Open Scope R_scope.

Lemma target_inside : forall a, possible a -> 0 < epsilon_target a < 1.
Proof. now intros a (_ & _ & _ & _ & _ & T & _). Qed.

Theorem iff : forall a, possible a ->
  Delta a >= ln (k a / m a) + Logit (1 - epsilon_target a) <-> epsilon a <= epsilon_target a.
Proof.
  intros a P. rewrite epsilon_is_logistic by trivial. symmetry. apply threshold_iff; trivial. now apply target_inside.
Qed.

Theorem sufficient : forall a, possible a ->
  d a >= ln (k a / m a) + Logit (1 - epsilon_target a) -> epsilon a <= epsilon_target a.
Proof. intros a P L. apply iff; trivial. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P). lra. Qed.

Theorem necessary : forall a, possible a ->
  epsilon a <= epsilon_target a -> r a >= ln (k a / m a) + Logit (1 - epsilon_target a).
Proof. intros a P L. apply iff in L; trivial. pose proof (Delta_le_top a P). pose proof (top_le_range a P). lra. Qed.
