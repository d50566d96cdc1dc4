(** C4, extinction by descent: a proximal step takes its amount off the norm, a gradient step adds no more than its own. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Descent.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : descent.
Hypothesis P : possible a.

Lemma length_nonneg : forall x, 0 <= length a x.
Proof. intros x. apply norm_nonneg. Qed.

(** What the proximal map leaves of a norm. *)
Lemma shrunk_length : forall t x, 0 <= t -> length a (shrunk a t x) = Rmax 0 (length a x - t).
Proof.
  intros t x T. unfold shrunk. destruct (Rle_dec (length a x) t) as [L | L].
  - rewrite Rmax_left by lra. unfold length, norm. rewrite (sum_ext _ (fun _ => 0)) by (intros; ring).
    rewrite sum_const, Rmult_0_r. apply sqrt_0.
  - unfold length at 1. rewrite norm_scale. fold (length a x). pose proof (length_nonneg x).
    replace (1 - t / length a x) with ((length a x - t) / length a x) by (field; lra).
    rewrite Rabs_pos_eq, Rmax_right by (try (apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat]); lra).
    field. lra.
Qed.

(** A step's norm, for a buffer no longer than [c]. *)
Lemma stepped_length : forall x b c, length a b <= c ->
  length a (stepped a x b) <= Rmax 0 (length a x - eta a * (lambda_g a - c)).
Proof.
  intros x b c B. destruct P as (_ & E & L & _). unfold stepped.
  rewrite shrunk_length by (apply Rmult_le_pos; lra).
  assert (T : length a (fun i => x i - eta a * b i) <= length a x + eta a * c).
  { unfold length. replace (norm (fun i => x i - eta a * b i)) with (norm (fun i => x i + - eta a * b i)).
    - eapply Rle_trans; [apply (minkowski x (fun i => - eta a * b i)) |]. rewrite norm_scale, Rabs_Ropp, Rabs_pos_eq by lra.
      apply Rplus_le_compat_l, Rmult_le_compat_l; [lra | exact B].
    - f_equal. apply FunctionalExtensionality.functional_extensionality. intros i. ring. }
  apply Rmax_lub; [apply Rmax_l |]. eapply Rle_trans; [| apply Rmax_r]. lra.
Qed.

(** The buffer stays within what bounds it. *)
Lemma buffer_length : forall decay b g c, 0 <= decay -> decay * length a b + G a <= c -> In g (gradients a) ->
  length a (fun i => decay * b i + g i) <= c.
Proof.
  intros decay b g c D B I. pose proof (below_largest (length a) (gradients a) g I) as L. fold (G a) in L.
  eapply Rle_trans; [apply (minkowski (fun i => decay * b i) g) |].
  rewrite norm_scale, Rabs_pos_eq by exact D. unfold length in *. lra.
Qed.

(** Every step takes [eta (lambda - c)] off a live block, so it does not live longer than that allows. *)
Lemma extinct_by : forall decay c, 0 <= decay -> decay * c + G a <= c -> c < lambda_g a ->
  forall gs x b, (forall g, In g gs -> In g (gradients a)) -> decay * length a b + G a <= c ->
  INR (first_zero a (states a decay x b gs)) < 1 + length a x / (eta a * (lambda_g a - c)).
Proof.
  intros decay c D C L gs. destruct P as (_ & E & _). set (q := eta a * (lambda_g a - c)).
  assert (Q : 0 < q) by (apply Rmult_lt_0_compat; lra).
  assert (Alone : forall x, INR (if Req_EM_T (length a x) 0 then 0 else 1) < 1 + length a x / q).
  { intros x. pose proof (length_nonneg x). destruct (Req_EM_T (length a x) 0) as [Z | Z]; simpl.
    - rewrite Z. unfold Rdiv. lra.
    - pose proof (Rdiv_lt_0_compat (length a x) q ltac:(lra) Q). lra. }
  induction gs as [| g gs I]; intros x b S B; [apply Alone |].
  pose proof (buffer_length decay b g c D B (S g (or_introl eq_refl))) as B'.
  pose proof (stepped_length x _ c B') as W. fold q in W.
  specialize (I (stepped a x (fun i => decay * b i + g i)) (fun i => decay * b i + g i) (fun h J => S h (or_intror J))
    ltac:(pose proof (Rmult_le_compat_l decay _ _ D B'); lra)).
  cbn [states first_zero].
  destruct (first_zero a (states a decay (stepped a x (fun i => decay * b i + g i)) (fun i => decay * b i + g i) gs)) as [| n];
    [apply Alone |].
  rewrite S_INR. set (y := length a (stepped a x (fun i => decay * b i + g i))) in *.
  (* The block was alive after the step, so the step took its whole amount. *)
  assert (Y : 0 < y).
  { apply Rnot_le_lt. intros N. rewrite S_INR in I. pose proof (pos_INR n).
    assert (y / q <= 0); [| lra]. apply (Rmult_le_reg_r q); [exact Q |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  assert (X : y <= length a x - q) by (unfold Rmax in W; destruct (Rle_dec 0 (length a x - q)); lra).
  assert (Z : y / q <= length a x / q - 1).
  { replace (length a x / q - 1) with ((length a x - q) / q) by (field; lra).
    apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | exact X]. }
  lra.
Qed.
End Facts.

Theorem one_step : forall a, possible a -> w_1 a <= Rmax 0 (- eta a * (- G a + lambda_g a) + w_0 a).
Proof.
  intros a P. destruct (gradients a) as [| g gs] eqn:E; [now destruct P |].
  pose proof (stepped_length a P (start a) g (G a)) as S. unfold w_1, w_0. rewrite E. simpl.
  replace (- eta a * (- G a + lambda_g a) + length a (start a)) with (length a (start a) - eta a * (lambda_g a - G a)) by ring.
  apply S. apply (below_largest (length a)). rewrite E. simpl. auto.
Qed.

Theorem extinct : forall a, possible a -> G a < lambda_g a -> N_0 a < 1 + w_0 a / (eta a * (- G a + lambda_g a)).
Proof.
  intros a P L. replace (- G a + lambda_g a) with (lambda_g a - G a) by ring.
  apply (extinct_by a P 0 (G a)); trivial; lra.
Qed.

Theorem extinct_with_momentum : forall a, possible a ->
  b_0 a <= G a / (1 - mu a) /\ G a / (1 - mu a) < lambda_g a ->
  N_mu a < 1 + w_0 a / (eta a * (- G a / (1 - mu a) + lambda_g a)).
Proof.
  intros a P [B L]. pose proof P as (_ & _ & _ & M). set (c := G a / (1 - mu a)) in *.
  assert (C : mu a * c + G a = c) by (unfold c; field; lra).
  replace (- G a / (1 - mu a) + lambda_g a) with (lambda_g a - c) by (unfold c; field; lra).
  apply (extinct_by a P (mu a) c); trivial; try lra.
  pose proof (Rmult_le_compat_l (mu a) _ _ ltac:(lra) B) as S. unfold b_0 in S. lra.
Qed.
