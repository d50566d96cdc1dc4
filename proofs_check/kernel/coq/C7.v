(** C7, selection: what the loss gains over uniform attention bounds the product of the weights' norms from below, so a
    point below uniform attention's loss has a live block; and when some penalty is large and small enough. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Matrices.
From Localist Require Head HeadSlope C3.
From Localist Require Import Stationary StationaryFacts.
Import ListNotations.
Open Scope R_scope.

(** The loss is at least its bound here, where the weights are the head's own. *)
Lemma least_below : forall a, L_least a <= L_0 a.
Proof.
  intros a. pose proof (loss_least a (Head.W_Q (head a)) (Head.W_K (head a))) as L.
  replace (HeadSlope.with_weights (head a) (Head.W_Q (head a)) (Head.W_K (head a))) with (head a) in L; [exact L |].
  now destruct (head a).
Qed.

Lemma penalty_free : forall a, J_W a - lambda_g a * (w_K a + w_Q a) = L_0 a.
Proof. intros a. unfold J_W. ring. Qed.

(** A penalty against the larger root of [l^2 = c (D + l P)]. *)
Lemma beyond_root : forall c P D l, 0 <= c -> 0 <= P -> 0 <= D -> 0 <= l ->
  (c * P / 2 + sqrt ((c * P) ^ 2 + 4 * c * D) / 2 < l <-> c * (D + l * P) < l ^ 2).
Proof.
  intros c P D l C N Q L. set (r := sqrt ((c * P) ^ 2 + 4 * c * D)).
  assert (S : 0 <= (c * P) ^ 2 + 4 * c * D) by (pose proof (pow2_ge_0 (c * P)); pose proof (Rmult_le_pos c D C Q); lra).
  assert (R : r ^ 2 = (c * P) ^ 2 + 4 * c * D) by (unfold r; rewrite <- Rsqr_pow2; now apply Rsqr_sqrt).
  assert (R0 : 0 <= r) by apply sqrt_pos. pose proof (Rmult_le_pos c P C N) as CP.
  assert (E : (2 * l - c * P) ^ 2 - r ^ 2 = 4 * (l ^ 2 - c * (D + l * P))) by (rewrite R; ring).
  split; intros H.
  - assert (X : r ^ 2 < (2 * l - c * P) ^ 2); [| lra].
    replace ((2 * l - c * P) ^ 2) with ((2 * l - c * P) * (2 * l - c * P)) by ring. replace (r ^ 2) with (r * r) by ring.
    apply Rmult_le_0_lt_compat; lra.
  - assert (X : r ^ 2 < (2 * l - c * P) ^ 2) by lra. rewrite <- !Rsqr_pow2 in X.
    assert (Y : r < Rabs (2 * l - c * P)).
    { rewrite <- (Rabs_pos_eq r) by exact R0. now apply Rsqr_lt_abs_0. }
    destruct (Rle_lt_dec 0 (2 * l - c * P)) as [U | U]; [rewrite Rabs_pos_eq in Y; lra |].
    (* Below: then [l < c P / 2], and the square is no larger than [r^2]. *)
    exfalso. assert (Z : l ^ 2 <= c * (D + l * P)); [| lra].
    pose proof (Rmult_le_compat_l l l (c * P) L ltac:(lra)) as W. pose proof (Rmult_le_pos c D C Q). lra.
Qed.

Section Selected.
Variable a : point.
Hypothesis P : possible a.
Hypothesis B : no_bias a.
Hypothesis O : one_live_block a.
Hypothesis S : slope_bounded a.

Let c := Lambda a * v a * x a * x_off a / (4 * sqrt (d_k a) * tau a).

Lemma c_nonneg : 0 <= c.
Proof.
  destruct (signs a P) as (N & V & _ & X & _ & _ & D & T). unfold c. apply Rmult_le_pos.
  - repeat apply Rmult_le_pos; trivial. apply spectral_nonneg.
  - left. apply Rinv_0_lt_compat. repeat apply Rmult_lt_0_compat; lra.
Qed.

Lemma threshold_is :
  Lambda a * v a * x a * x_off a * (w_K a + w_Q a) / (8 * sqrt (d_k a) * tau a)
  + sqrt ((Lambda a) ^ 2 * (v a) ^ 2 * (x a) ^ 2 * (x_off a) ^ 2 * (w_K a + w_Q a) ^ 2 / (16 * d_k a * (tau a) ^ 2)
          + Lambda a * v a * x a * x_off a * (J_W a - L_least a - lambda_g a * (w_K a + w_Q a)) / (sqrt (d_k a) * tau a)) / 2
  = c * (w_K a + w_Q a) / 2 + sqrt ((c * (w_K a + w_Q a)) ^ 2 + 4 * c * (L_0 a - L_least a)) / 2.
Proof.
  destruct (signs a P) as (_ & _ & _ & _ & _ & _ & D & T). rewrite <- (penalty_free a).
  assert (DD : d_k a = sqrt (d_k a) ^ 2) by (rewrite <- Rsqr_pow2, Rsqr_sqrt; [reflexivity | apply pos_INR]).
  replace (16 * d_k a * (tau a) ^ 2) with (16 * sqrt (d_k a) ^ 2 * (tau a) ^ 2) by now rewrite <- DD.
  f_equal; [unfold c; field; lra |]. f_equal. f_equal. unfold c. field. lra.
Qed.
End Selected.

Theorem loss_gained : forall a, possible a -> no_bias a -> one_live_block a -> slope_bounded a ->
  - J_W a + J_o a + lambda_g a * (w_K a + w_Q a)
  <= Lambda a * v a * w_K a * w_Q a * (x_g a) ^ 2 / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P B O S. destruct (signs a P) as (_ & _ & _ & _ & _ & _ & D & T). pose proof (StationaryFacts.loss_gained a P B O S) as G.
  pose proof (penalty_free a) as E. replace (per_key a * x_g a * (w_Q a * w_K a)) with
    (Lambda a * v a * w_K a * w_Q a * (x_g a) ^ 2 / (2 * sqrt (d_k a) * tau a)) in G by (unfold per_key; field; lra). lra.
Qed.

Theorem both_alive : forall a, possible a -> no_bias a -> one_live_block a -> slope_bounded a ->
  J_W a < J_o a -> w_K a > 0 /\ w_Q a > 0.
Proof.
  intros a P B O S L. pose proof (StationaryFacts.loss_gained a P B O S) as G. destruct (signs a P) as (_ & _ & _ & _ & Q & K & _ & _).
  assert (N : 0 < lambda_g a) by now destruct P as (_ & _ & _ & _ & N).
  pose proof (Rmult_le_pos _ _ (Rlt_le _ _ N) (Rplus_le_le_0_compat _ _ Q K)) as F. unfold J_W in L.
  split; apply Rnot_le_gt; intros Z.
  - replace (w_K a) with 0 in G by lra. rewrite !Rmult_0_r in G. lra.
  - replace (w_Q a) with 0 in G by lra. rewrite Rmult_0_l, Rmult_0_r in G. lra.
Qed.

Theorem survives : forall a, possible a -> no_bias a -> one_live_block a -> slope_bounded a -> J_W a < J_o a ->
  w_K a * w_Q a >= 2 * sqrt (d_k a) * tau a * (- J_W a + J_o a) / (Lambda a * v a * (x_g a) ^ 2).
Proof.
  intros a P B O S L. destruct (signs a P) as (N & V & X & _ & Q & K & D & T). pose proof (loss_gained a P B O S) as G.
  assert (NL : 0 < lambda_g a) by now destruct P as (_ & _ & _ & _ & NL).
  pose proof (Rmult_le_pos _ _ (Rlt_le _ _ NL) (Rplus_le_le_0_compat _ _ K Q)) as F.
  set (y := Lambda a * v a * (x_g a) ^ 2). assert (Y0 : 0 <= y) by (unfold y; repeat apply Rmult_le_pos; trivial; lra).
  replace (Lambda a * v a * w_K a * w_Q a * (x_g a) ^ 2 / (2 * sqrt (d_k a) * tau a)) with
    (y * (w_K a * w_Q a) / (2 * sqrt (d_k a) * tau a)) in G by (unfold y; field; lra).
  destruct Y0 as [Y0 | Y0]; [| rewrite <- Y0 in G; unfold Rdiv in G; lra].
  apply Rle_ge, (Rmult_le_reg_r y); [exact Y0 |].
  replace (2 * sqrt (d_k a) * tau a * (- J_W a + J_o a) / y * y) with ((- J_W a + J_o a) * (2 * sqrt (d_k a) * tau a)) by (field; lra).
  assert (DT : 0 < 2 * sqrt (d_k a) * tau a) by (apply Rmult_lt_0_compat; lra).
  apply (Rmult_le_compat_r (2 * sqrt (d_k a) * tau a)) in G; [| lra].
  replace (y * (w_K a * w_Q a) / (2 * sqrt (d_k a) * tau a) * (2 * sqrt (d_k a) * tau a)) with (w_K a * w_Q a * y) in G by (field; lra).
  pose proof (Rmult_le_pos _ _ F (Rlt_le _ _ DT)). lra.
Qed.

Theorem window : forall a, possible a -> no_bias a -> one_live_block a -> slope_bounded a ->
  lambda_g a > Lambda a * v a * x a * x_off a * (w_K a + w_Q a) / (8 * sqrt (d_k a) * tau a)
    + sqrt ((Lambda a) ^ 2 * (v a) ^ 2 * (x a) ^ 2 * (x_off a) ^ 2 * (w_K a + w_Q a) ^ 2 / (16 * d_k a * (tau a) ^ 2)
            + Lambda a * v a * x a * x_off a * (J_W a - L_least a - lambda_g a * (w_K a + w_Q a)) / (sqrt (d_k a) * tau a)) / 2
  /\ lambda_g a * (w_K a + w_Q a) < - J_W a + J_o a + lambda_g a * (w_K a + w_Q a) ->
  (lambda_g a) ^ 2 > Lambda a * v a * x a * x_off a * (J_W a - L_least a) / (4 * sqrt (d_k a) * tau a) /\ J_W a < J_o a.
Proof.
  intros a P _ _ _ [L G]. split; [| lra]. rewrite threshold_is in L by exact P. destruct (signs a P) as (_ & _ & _ & _ & Q & K & D & T).
  pose proof (least_below a) as LB. assert (NL : 0 < lambda_g a) by now destruct P as (_ & _ & _ & _ & NL).
  apply beyond_root in L; try lra; [| now apply c_nonneg]. eapply Rle_lt_trans; [| exact L]. apply Req_le.
  unfold J_W. field. lra.
Qed.

Theorem window_open : forall a, possible a -> no_bias a -> one_live_block a -> slope_bounded a -> J_W a < J_o a ->
  (((- J_W a + J_o a + lambda_g a * (w_K a + w_Q a)) ^ 2
    > Lambda a * v a * x a * x_off a * (J_o a - L_least a) * (w_K a + w_Q a) ^ 2 / (4 * sqrt (d_k a) * tau a)) <->
   ((w_K a + w_Q a) * (Lambda a * v a * x a * x_off a * (w_K a + w_Q a) / (8 * sqrt (d_k a) * tau a)
      + sqrt ((Lambda a) ^ 2 * (v a) ^ 2 * (x a) ^ 2 * (x_off a) ^ 2 * (w_K a + w_Q a) ^ 2 / (16 * d_k a * (tau a) ^ 2)
              + Lambda a * v a * x a * x_off a * (J_W a - L_least a - lambda_g a * (w_K a + w_Q a)) / (sqrt (d_k a) * tau a)) / 2)
    < - J_W a + J_o a + lambda_g a * (w_K a + w_Q a))).
Proof.
  intros a P B O S L. rewrite threshold_is by exact P. destruct (both_alive a P B O S L) as [K Q].
  destruct (signs a P) as (_ & _ & _ & _ & _ & _ & D & T). pose proof (least_below a) as LB.
  assert (NL : 0 < lambda_g a) by now destruct P as (_ & _ & _ & _ & NL).
  set (c := Lambda a * v a * x a * x_off a / (4 * sqrt (d_k a) * tau a)). set (n := w_K a + w_Q a) in *.
  assert (N : 0 < n) by (unfold n; lra). set (e := - J_W a + J_o a + lambda_g a * n).
  assert (E0 : 0 < e) by (unfold e; pose proof (Rmult_lt_0_compat _ _ NL N); lra).
  assert (JE : J_o a - L_least a = L_0 a - L_least a + e) by (unfold e; pose proof (penalty_free a); fold n in H; lra).
  pose proof (beyond_root c n (L_0 a - L_least a) (e / n) (c_nonneg a P) ltac:(lra) ltac:(lra)
    ltac:(left; now apply Rdiv_lt_0_compat)) as R.
  set (r := c * n / 2 + sqrt ((c * n) ^ 2 + 4 * c * (L_0 a - L_least a)) / 2) in *.
  replace (c * (L_0 a - L_least a + e / n * n)) with (c * (J_o a - L_least a)) in R by (rewrite JE; field; lra).
  replace (Lambda a * v a * x a * x_off a * (J_o a - L_least a) * n ^ 2 / (4 * sqrt (d_k a) * tau a)) with
    (c * (J_o a - L_least a) * n ^ 2) by (unfold c; field; lra).
  assert (N2 : 0 < n ^ 2) by now apply pow_lt.
  assert (EN : e ^ 2 = (e / n) ^ 2 * n ^ 2) by (field; lra). assert (EN1 : e = n * (e / n)) by (field; lra).
  split; intros H.
  - rewrite EN1. apply Rmult_lt_compat_l; [exact N |]. apply R. apply (Rmult_lt_reg_r (n ^ 2)); [exact N2 |]. lra.
  - rewrite EN. apply Rmult_lt_compat_r; [exact N2 |]. apply R. apply (Rmult_lt_reg_l n); [exact N |]. lra.
Qed.

Lemma some_instance : exists a, possible a /\ no_bias a /\ one_live_block a /\ slope_bounded a.
Proof. destruct C3.some_instance as (a & P & B & O & _ & S). now exists a. Qed.
