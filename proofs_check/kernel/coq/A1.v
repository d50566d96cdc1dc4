(** A1, the softmax identity: the odds of the fidelity are the soft margin, and the chain of margins around it. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Open Scope R_scope.

(** The logit of the fidelity is that of the leak, negated, and the leak is a logistic function. *)
Theorem identity : forall a, possible a -> Logit (F a) = Delta a + ln (m a / k a).
Proof.
  intros a P. replace (F a) with (1 - epsilon a) by (pose proof (F_and_epsilon a P); lra).
  rewrite logit_complement by now apply epsilon_inside.
  rewrite epsilon_is_logistic, logit_logistic by assumption. ring.
Qed.

Theorem mean_margin : forall a, possible a -> delta a <= delta_mean a.
Proof. exact delta_le_mean. Qed.

Theorem soft_margin : forall a, possible a -> delta_mean a <= Delta a * tau a.
Proof.
  intros a P. pose proof (d_mean_le_Delta a P) as L. pose proof (tau_pos a P).
  apply (Rmult_le_compat_r (tau a)) in L; [| lra]. unfold d_mean in L.
  replace (delta_mean a) with (delta_mean a / tau a * tau a) by (field; lra). exact L.
Qed.

Theorem top : forall a, possible a -> Delta a * tau a <= delta_top a.
Proof.
  intros a P. pose proof (Delta_le_top a P) as L. pose proof (tau_pos a P).
  apply (Rmult_le_compat_r (tau a)) in L; [| lra].
  replace (delta_top a) with (delta_top a / tau a * tau a) by (field; lra). exact L.
Qed.

Theorem range : forall a, possible a -> delta_top a <= r a * tau a.
Proof.
  intros a P. pose proof (top_le_range a P) as L. pose proof (tau_pos a P).
  apply (Rmult_le_compat_r (tau a)) in L; [| lra].
  replace (delta_top a) with (delta_top a / tau a * tau a) by (field; lra). exact L.
Qed.
