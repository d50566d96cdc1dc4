(** The leak at a separation of at least 0, from A2. *)
Require Import Reals Lra.
From Localist Require Import Functions Sums Row RowFacts A2.
Open Scope R_scope.

Theorem leak : forall a, possible a -> d a >= 0 -> epsilon a <= k a / (k a + m a).
Proof.
  intros a P D. pose proof (m_pos a P). pose proof (k_pos a P). pose proof (exp_pos (- d a)).
  assert (E : exp (- d a) <= 1) by (rewrite <- exp_0; apply exp_le; lra).
  assert (W : 0 < m a + k a * exp (- d a)) by nra.
  eapply Rle_trans; [now apply margin |]. rewrite leak_bound_is by trivial.
  apply Rminus_le. replace (_ - _) with (- (k a * m a * (1 - exp (- d a)) / ((k a + m a) * (m a + k a * exp (- d a)))))
    by (field; lra).
  apply Ropp_le_cancel. rewrite Ropp_0, Ropp_involutive.
  apply Rmult_le_pos; [apply Rmult_le_pos; nra | left; apply Rinv_0_lt_compat; nra].
Qed.
