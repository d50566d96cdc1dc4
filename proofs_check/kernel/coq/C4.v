(** C4, extinction by descent: a proximal step takes its amount off the norm, a gradient step adds no more than its own. *)
Require Import Reals Lra Lia List.
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
Lemma moved_length : forall e x b c, 0 <= e -> length a b <= c ->
  length a (moved a e x b) <= Rmax 0 (length a x - e * (lambda_g a - c)).
Proof.
  intros e x b c E B. destruct P as (_ & _ & L & _). unfold moved.
  rewrite shrunk_length by (apply Rmult_le_pos; lra).
  assert (T : length a (fun i => x i - e * b i) <= length a x + e * c).
  { unfold length. replace (norm (fun i => x i - e * b i)) with (norm (fun i => x i + - e * b i)).
    - eapply Rle_trans; [apply (minkowski x (fun i => - e * b i)) |]. rewrite norm_scale, Rabs_Ropp, Rabs_pos_eq by lra.
      apply Rplus_le_compat_l, Rmult_le_compat_l; [lra | exact B].
    - f_equal. apply FunctionalExtensionality.functional_extensionality. intros i. ring. }
  apply Rmax_lub; [apply Rmax_l |]. eapply Rle_trans; [| apply Rmax_r]. lra.
Qed.

Lemma stepped_length : forall x b c, length a b <= c ->
  length a (stepped a x b) <= Rmax 0 (length a x - eta a * (lambda_g a - c)).
Proof. intros x b c B. destruct P as (_ & E & _). now apply moved_length; [lra |]. Qed.

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
  intros a P [B L]. pose proof P as (_ & _ & _ & M & _). set (c := G a / (1 - mu a)) in *.
  assert (C : mu a * c + G a = c) by (unfold c; field; lra).
  replace (- G a / (1 - mu a) + lambda_g a) with (lambda_g a - c) by (unfold c; field; lra).
  apply (extinct_by a P (mu a) c); trivial; try lra.
  pose proof (Rmult_le_compat_l (mu a) _ _ ltac:(lra) B) as S. unfold b_0 in S. lra.
Qed.

(** How long a buffer is at most after [t] steps from an empty one. *)
Definition filled (a : descent) (t : nat) : R := G a * (1 - mu a ^ t) / (1 - mu a).

Section Empty.
Variable a : descent.
Hypothesis P : possible a.

Lemma momentum : 0 <= mu a < 1.
Proof. now destruct P as (_ & _ & _ & M & _). Qed.

Lemma G_nonneg : 0 <= G a.
Proof.
  destruct (gradients a) as [| g gs] eqn:E; [now destruct P |]. unfold G. rewrite E.
  eapply Rle_trans; [apply (length_nonneg a g) | apply (below_largest (length a)); now left].
Qed.

(** One step more: the gradient comes on top of what is left. *)
Lemma filled_S : forall t, mu a * filled a t + G a = filled a (S t).
Proof. intros t. pose proof momentum. unfold filled. simpl. field. lra. Qed.

Lemma powers_fall : forall t, 0 <= mu a ^ t <= 1.
Proof.
  intros t. pose proof momentum as M. split; [apply pow_le; lra |]. rewrite <- (pow1 t). apply pow_incr. lra.
Qed.

Lemma filled_rises : forall t n, filled a t <= filled a (t + n).
Proof.
  intros t n. pose proof momentum as M. pose proof G_nonneg as N. unfold filled. apply Rmult_le_compat_r.
  - left. apply Rinv_0_lt_compat. lra.
  - apply Rmult_le_compat_l; [exact N |]. rewrite pow_add. pose proof (powers_fall t). pose proof (powers_fall n).
    pose proof (Rmult_le_compat_l (mu a ^ t) (mu a ^ n) 1 ltac:(lra) ltac:(lra)). lra.
Qed.

Lemma pushed : forall t b g, length a b <= filled a t -> In g (gradients a) ->
  length a (fun i => mu a * b i + g i) <= filled a (S t).
Proof.
  intros t b g B I. pose proof momentum as M. apply buffer_length; trivial; [lra |]. rewrite <- filled_S.
  pose proof (Rmult_le_compat_l (mu a) _ _ ltac:(lra) B). lra.
Qed.

Lemma last_buffer_length : forall gs t b, (forall g, In g gs -> In g (gradients a)) -> length a b <= filled a t ->
  length a (last_buffer a b gs) <= filled a (t + List.length gs).
Proof.
  intros gs. induction gs as [| g gs I]; intros t b S B; simpl.
  - now rewrite Nat.add_0_r.
  - rewrite <- Nat.add_succ_comm. apply I; [intros h J; apply S; now right |]. apply pushed; [exact B | apply S; now left].
Qed.

(** The steps take their amounts off, down to zero, where the penalty covers the last buffer, and so all of them. *)
Lemma last_state_length : forall gs t x b, (forall g, In g gs -> In g (gradients a)) -> length a b <= filled a t ->
  filled a (t + List.length gs) <= lambda_g a ->
  length a (last_state a (S t) x b gs)
    <= Rmax 0 (length a x - sum (fun i => rate a i * (lambda_g a - filled a i)) (seq (S t) (List.length gs))).
Proof.
  intros gs. induction gs as [| g gs I]; intros t x b S B L; simpl.
  - eapply Rle_trans; [| apply Rmax_r]. lra.
  - simpl in L. rewrite <- Nat.add_succ_comm in L. simpl in L.
    assert (E : 0 <= rate a (Datatypes.S t)) by (destruct P as (_ & _ & _ & _ & R); apply R).
    pose proof (pushed t b g B (S g (or_introl eq_refl))) as B'.
    pose proof (moved_length a P (rate a (Datatypes.S t)) x _ _ E B') as W.
    specialize (I (Datatypes.S t) (moved a (rate a (Datatypes.S t)) x (fun i => mu a * b i + g i)) (fun i => mu a * b i + g i)
      (fun h J => S h (or_intror J)) B' L).
    eapply Rle_trans; [exact I |]. apply Rmax_lub; [apply Rmax_l |].
    set (rest := sum (fun i => rate a i * (lambda_g a - filled a i)) (seq (Datatypes.S (Datatypes.S t)) (List.length gs))).
    assert (Q : 0 <= rest).
    { apply sum_nonneg. intros i J. apply in_seq in J. apply Rmult_le_pos; [destruct P as (_ & _ & _ & _ & R); apply R |].
      pose proof (filled_rises i (Datatypes.S t + List.length gs - i)).
      replace (i + (Datatypes.S t + List.length gs - i))%nat with (Datatypes.S t + List.length gs)%nat in H by lia.
      simpl in H. lra. }
    unfold Rmax in W. destruct (Rle_dec 0 (length a x - rate a (Datatypes.S t) * (lambda_g a - filled a (Datatypes.S t)))).
    + eapply Rle_trans; [| apply Rmax_r]. lra.
    + eapply Rle_trans; [| apply Rmax_l]. lra.
Qed.

Lemma filled_0 : filled a 0 = 0.
Proof. unfold filled. simpl. unfold Rdiv. ring. Qed.
End Empty.

Theorem buffer : forall a, possible a -> b_0 a = 0 -> b_T a <= G a * (1 - mu_T a) / (1 - mu a).
Proof.
  intros a P E. fold (filled a (steps a)). apply (last_buffer_length a P (gradients a) 0); [trivial |].
  rewrite filled_0. unfold b_0 in E. lra.
Qed.

Theorem extinct_from_an_empty_buffer : forall a, possible a ->
  b_0 a = 0 /\ gamma_mu a >= w_0 a /\ lambda_g a >= G a * (1 - mu_T a) / (1 - mu a) -> w_T a = 0.
Proof.
  intros a P (E & W & L). fold (filled a (steps a)) in L. apply Rle_antisym; [| apply length_nonneg].
  unfold w_T. eapply Rle_trans.
  - apply (last_state_length a P (gradients a) 0); [trivial | rewrite filled_0; unfold b_0 in E; lra | exact (Rge_le _ _ L)].
  - fold (steps a). change (sum _ _) with (gamma_mu a). fold (w_0 a). rewrite Rmax_left; lra.
Qed.
