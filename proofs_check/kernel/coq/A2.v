(** A2, the leak bound: by the softmax identity, since every margin lies below the soft one. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts TwoLevel.
Open Scope R_scope.

Theorem margin : forall a, possible a -> epsilon a <= Logistic (- d a - ln (m a / k a)).
Proof. intros a P. apply epsilon_below; trivial. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P). lra. Qed.

Theorem mean_margin : forall a, possible a -> epsilon a <= Logistic (- d_mean a - ln (m a / k a)).
Proof. intros a P. apply epsilon_below; trivial. now apply d_mean_le_Delta. Qed.

Theorem soft_margin : forall a, possible a -> epsilon a = Logistic (- Delta a - ln (m a / k a)).
Proof. exact epsilon_is_logistic. Qed.

Theorem exponential : forall a, possible a -> epsilon a <= k a * exp (- d a) / m a.
Proof. intros a P. eapply Rle_trans; [now apply margin | now apply leak_bound_exponential]. Qed.

Theorem attained : forall a, possible a -> epsilon_two a = Logistic (- d a - ln (m a / k a)).
Proof. exact epsilon_two_is. Qed.
