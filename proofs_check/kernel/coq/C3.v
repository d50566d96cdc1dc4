(** C3, the self-consistent threshold: a stationary point is balanced, so each half of the penalty is at most half the
    drop of the objective, and the gradient bound C2 then bounds the penalties of a live block. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Matrices.
From Localist Require Head.
From Localist Require Import Stationary StationaryFacts.
Import ListNotations.
Open Scope R_scope.

Theorem balanced : forall a, possible a -> no_bias a -> one_live_block a -> stationary a -> slope_bounded a ->
  lambda_Q a * w_Q a = lambda_K a * w_K a.
Proof. intros a _ B O S _. now apply balanced_. Qed.

Theorem half_the_drop : forall a, possible a -> no_bias a -> one_live_block a -> stationary a -> slope_bounded a ->
  lambda_Q a * w_Q a <= J_0 a / 2 - L_inf a / 2.
Proof. intros a _ B O S _. now apply half. Qed.

Theorem live_block : forall a, possible a -> no_bias a -> one_live_block a -> stationary a -> slope_bounded a ->
  w_K a * w_Q a > 0 ->
  lambda_K a * lambda_Q a <= Lambda a * v a * x a * x_g a * (J_0 a / 2 - L_inf a / 2) / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P B O S _ W. destruct (signs a P) as (_ & _ & _ & _ & Q & _ & D & T).
  assert (W0 : 0 < w_Q a) by (destruct Q as [Q | Q]; [exact Q | rewrite <- Q in W; lra]).
  eapply Rle_trans; [apply (both_penalties a P B O S W0) |]. unfold per_key. apply Req_le. field. lra.
Qed.

Theorem uniform_penalty : forall a, possible a -> no_bias a -> one_live_block a -> stationary a -> slope_bounded a ->
  w_Q a = w_K a /\ w_Q a > 0 ->
  lambda_Q a <= Lambda a * v a * x a * x_g a * (w_K a + w_Q a) / (8 * sqrt (d_k a) * tau a)
    + sqrt ((Lambda a) ^ 2 * (v a) ^ 2 * (x a) ^ 2 * (x_g a) ^ 2 * (w_K a + w_Q a) ^ 2 / (16 * d_k a * (tau a) ^ 2)
            + Lambda a * v a * x a * x_g a * (L_0 a - L_inf a) / (sqrt (d_k a) * tau a)) / 2.
Proof.
  intros a P B O S _ [E W]. destruct (signs a P) as (_ & _ & _ & _ & _ & _ & D & T).
  pose proof (both_penalties a P B O S W) as L. pose proof (balanced_ a B O S) as K. rewrite <- E in *.
  assert (Q : lambda_K a = lambda_Q a) by (apply (Rmult_eq_reg_r (w_Q a)); lra).
  unfold J_0 in L. rewrite <- E, Q in L. set (c := per_key a * x a / 2).
  set (D2 := d_k a) in *.
  assert (DD : D2 = sqrt D2 ^ 2).
  { rewrite <- Rsqr_pow2, Rsqr_sqrt; [reflexivity | apply pos_INR]. }
  replace (Lambda a * v a * x a * x_g a * (w_Q a + w_Q a) / (8 * sqrt D2 * tau a)) with (c * (w_Q a + w_Q a) / 2)
    by (unfold c, per_key; fold D2; field; lra).
  replace ((Lambda a) ^ 2 * (v a) ^ 2 * (x a) ^ 2 * (x_g a) ^ 2 * (w_Q a + w_Q a) ^ 2 / (16 * D2 * (tau a) ^ 2)
            + Lambda a * v a * x a * x_g a * (L_0 a - L_inf a) / (sqrt D2 * tau a))
    with ((c * (w_Q a + w_Q a)) ^ 2 + 4 * c * (L_0 a - L_inf a)).
  2: { unfold c, per_key. fold D2. replace (16 * D2 * (tau a) ^ 2) with (16 * sqrt D2 ^ 2 * (tau a) ^ 2) by now rewrite <- DD.
       field. lra. }
  set (y := 2 * lambda_Q a - c * (w_Q a + w_Q a)).
  assert (Y : y <= sqrt ((c * (w_Q a + w_Q a)) ^ 2 + 4 * c * (L_0 a - L_inf a))).
  { eapply Rle_trans; [apply Rle_abs |]. rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. rewrite Rsqr_pow2.
    replace (per_key a * x a) with (2 * c) in L by (unfold c; field). unfold y. lra. }
  unfold y in Y. lra.
Qed.

Theorem collapse : forall a, possible a -> no_bias a -> one_live_block a -> stationary a -> slope_bounded a ->
  w_K a + w_Q a > 0 /\
  Lambda a * v a * w_K a * w_Q a * (x a) ^ 2 / (2 * sqrt (d_k a) * tau a) < lambda_g a * (w_K a + w_Q a) -> J_W a > J_o a.
Proof.
  intros a P B O _ S [_ L]. destruct (signs a P) as (N & V & XG & _ & WQ & WK & D & T).
  pose proof (loss_gained a P B O S) as G. pose proof (x_g_below a) as X.
  assert (Q : per_key a * x_g a * (w_Q a * w_K a) <= Lambda a * v a * w_K a * w_Q a * (x a) ^ 2 / (2 * sqrt (d_k a) * tau a)).
  { unfold per_key. replace (Lambda a * v a * w_K a * w_Q a * (x a) ^ 2 / (2 * sqrt (d_k a) * tau a))
      with (Lambda a * v a * w_K a * w_Q a * / (2 * sqrt (d_k a) * tau a) * (x a * x a)) by (field; lra).
    replace (Lambda a * v a * x_g a / (2 * sqrt (d_k a) * tau a) * x_g a * (w_Q a * w_K a))
      with (Lambda a * v a * w_K a * w_Q a * / (2 * sqrt (d_k a) * tau a) * (x_g a * x_g a)) by (field; lra).
    apply Rmult_le_compat_l; [| now apply Rmult_le_compat]. repeat apply Rmult_le_pos; trivial.
    left. apply Rinv_0_lt_compat. apply Rmult_lt_0_compat; lra. }
  unfold J_W. lra.
Qed.

Lemma some_instance : exists a, possible a /\ no_bias a /\ one_live_block a /\ stationary a /\ slope_bounded a.
Proof.
  set (zero := fun _ _ : nat => 0). set (none := fun _ : nat => 0).
  exists (Point (Head.Head [] 1 0 1 1 zero zero none none false 1 none) (fun _ => 0) 0 (fun _ => Rle_refl 0)
    0 (fun _ _ => Rle_refl 0) 1 1 1).
  assert (Z : frobenius zero [0%nat] [0%nat] = 0).
  { unfold frobenius. replace (sum _ _) with 0 by (unfold zero; simpl; ring). apply sqrt_0. }
  assert (L : forall W, W = zero -> exists Z, (frobenius Z [0%nat] [0%nat] <= 1 /\
    sum (fun f => sum (fun c => Z f c * W f c) [0%nat]) [0%nat] = frobenius W [0%nat] [0%nat]) /\
    forall f c, In f [0%nat] -> In c [0%nat] -> 0 + 1 * Z f c = 0).
  { intros W ->. exists zero. rewrite Z. unfold zero. simpl. repeat split; intros; lra. }
  split; [unfold possible, width, temperature; simpl; repeat split; try lra; constructor |].
  split; [now split |]. split; [now split |]. split; [split; exact (L _ eq_refl) |].
  exists (fun _ => Head.pull). split; [reflexivity |]. intros t T. split; [apply Rle_refl | apply derivable_pt_lim_const].
Qed.
