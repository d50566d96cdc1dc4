(** C2, the gradient bound: the Jacobian of softmax has norm at most 1/2, and the norms of the other factors multiply.
    That the gradients are derivatives is proved in HeadSlope.v. *)
Require Import Reals Lra Lia List Bool Arith.
From Localist Require Import Functions Sums Vectors Matrices Head HeadSlope.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : head.
Hypothesis P : possible a.

Lemma width_pos : 0 < sqrt (d_k a).
Proof. destruct P as [W _]. apply sqrt_lt_R0, lt_0_INR, W. Qed.

Lemma tau_pos : 0 < tau a.
Proof. now destruct P. Qed.

(** A row of attention is a distribution over the tokens. *)
Lemma attention_row : forall s i, (i < tokens s)%nat ->
  (forall j, In j (seq 0 (tokens s)) -> 0 <= attention a s i j) /\ sum (attention a s i) (seq 0 (tokens s)) = 1.
Proof.
  intros s i I. assert (N : forall j, 0 <= boltzmann a s i j).
  { intros j. unfold boltzmann. destruct visible; [left; apply exp_pos | lra]. }
  assert (Z : 0 < sum (boltzmann a s i) (seq 0 (tokens s))).
  { eapply Rlt_le_trans; [| apply (term_below_sum _ _ i); [intros; apply N | apply in_seq; lia]].
    unfold boltzmann, visible. rewrite Nat.leb_refl, orb_true_r. apply exp_pos. }
  split.
  - intros j _. apply Rmult_le_pos; [apply N | left; now apply Rinv_0_lt_compat].
  - unfold attention, Rdiv. rewrite sum_scale_r. apply Rinv_r. lra.
Qed.

(** A matrix of all tokens. *)
Lemma frobenius_stacked : forall M columns, frobenius (stack M) (stacked a) (seq 0 columns) ^ 2
  = sum (fun s => frobenius (M s) (seq 0 (tokens s)) (seq 0 columns) ^ 2) (batch a).
Proof.
  intros M columns. rewrite frobenius_square, sum_stacked. apply sum_ext. intros s _. now rewrite frobenius_square.
Qed.

Lemma below_widest : forall M columns s, In s (batch a) ->
  spectral (M s) (seq 0 (tokens s)) (seq 0 columns) <= widest a M columns.
Proof.
  intros M columns s I. exact (below_largest (fun s => spectral (M s) (seq 0 (tokens s)) (seq 0 columns)) (batch a) s I).
Qed.

Lemma widest_nonneg : forall M columns, 0 <= widest a M columns.
Proof.
  intros M columns. destruct (batch a) as [| s rest] eqn:E; [unfold widest; rewrite E; simpl; lra |].
  eapply Rle_trans; [| apply (below_widest M columns s); rewrite E; now left]. apply spectral_nonneg.
Qed.

(** Values less any row of their own: by how much a row of slopes falls short of the pull on that output. *)
Lemma slope_row : forall s i (u : nat -> R) (V : sequence -> nat -> nat -> R), In s (batch a) -> (i < tokens s)%nat ->
  (forall j c, V s j c = values s j c - u c) ->
  norm (slope a s i) (seq 0 (tokens s)) <= widest a V (outputs a) * norm (pull s i) (seq 0 (outputs a)) / (2 * tau a).
Proof.
  intros s i u V S I E. pose proof tau_pos as T. destruct (attention_row s i I) as [N O].
  set (l := seq 0 (tokens s)) in *. unfold slope.
  rewrite (norm_ext _ (fun j => / tau a * jacobian (attention a s i) l (image (V s) (seq 0 (outputs a)) (pull s i)) j)).
  - rewrite norm_scale, Rabs_pos_eq by (left; now apply Rinv_0_lt_compat).
    pose proof (jacobian_half (attention a s i) l N O (image (V s) (seq 0 (outputs a)) (pull s i))) as J.
    pose proof (image_below (V s) l (seq 0 (outputs a)) (pull s i)) as B.
    pose proof (Rmult_le_compat_r _ _ _ (norm_nonneg (pull s i) (seq 0 (outputs a))) (below_widest V (outputs a) s S)) as W.
    replace (widest a V (outputs a) * norm (pull s i) (seq 0 (outputs a)) / (2 * tau a)) with
      (/ tau a * (/ 2 * (widest a V (outputs a) * norm (pull s i) (seq 0 (outputs a))))) by (field; lra).
    apply Rmult_le_compat_l; [left; now apply Rinv_0_lt_compat |]. fold l in W. lra.
  - intros j _. unfold Rdiv. rewrite Rmult_comm. f_equal.
    rewrite <- (jacobian_shift (attention a s i) l O (upstream a s i) (sum (fun c => pull s i c * u c) (seq 0 (outputs a)))).
    assert (Y : forall k, upstream a s i k - sum (fun c => pull s i c * u c) (seq 0 (outputs a))
                          = image (V s) (seq 0 (outputs a)) (pull s i) k).
    { intros k. unfold upstream, image. rewrite <- sum_minus. apply sum_ext. intros c _. rewrite E. ring. }
    unfold jacobian, average. rewrite Y. do 2 f_equal. apply sum_ext. intros k _. now rewrite Y.
Qed.

(** The slopes of a sequence against the pull on it. *)
Lemma slopes_below : forall s u V, In s (batch a) -> (forall j c, V s j c = values s j c - u c) ->
  frobenius (slope a s) (seq 0 (tokens s)) (seq 0 (tokens s))
  <= widest a V (outputs a) * frobenius (pull s) (seq 0 (tokens s)) (seq 0 (outputs a)) / (2 * tau a).
Proof.
  intros s u V S E. pose proof tau_pos as T. pose proof (widest_nonneg V (outputs a)) as W.
  assert (C : 0 <= widest a V (outputs a) / (2 * tau a)) by (apply Rmult_le_pos; [exact W | left; apply Rinv_0_lt_compat; lra]).
  replace (widest a V (outputs a) * frobenius (pull s) (seq 0 (tokens s)) (seq 0 (outputs a)) / (2 * tau a)) with
    (widest a V (outputs a) / (2 * tau a) * frobenius (pull s) (seq 0 (tokens s)) (seq 0 (outputs a))) by (field; lra).
  apply frobenius_by_square; [apply Rmult_le_pos; [exact C | apply frobenius_nonneg] |].
  rewrite Rpow_mult_distr, frobenius_square, <- sum_scale. apply sum_le. intros i I. apply in_seq in I.
  rewrite <- Rpow_mult_distr. apply pow_incr. split; [apply norm_nonneg |].
  pose proof (slope_row s i u V S ltac:(lia) E) as L. unfold Rdiv in *. lra.
Qed.

Lemma slopes_sum_to_0 : forall s i, (i < tokens s)%nat -> sum (slope a s i) (seq 0 (tokens s)) = 0.
Proof.
  intros s i I. unfold slope, Rdiv. rewrite sum_scale_r, jacobian_sums_to_0; [ring |]. now apply attention_row.
Qed.

(** A matrix of slopes of queries or keys whose sequences keep within [c] times the pull keeps within it on the batch. *)
Lemma batch_below : forall (M : sequence -> nat -> nat -> R) columns c, 0 <= c ->
  (forall s, In s (batch a) -> frobenius (M s) (seq 0 (tokens s)) (seq 0 columns)
    <= c * frobenius (pull s) (seq 0 (tokens s)) (seq 0 (outputs a))) ->
  frobenius (stack M) (stacked a) (seq 0 columns) <= c * Lambda a.
Proof.
  intros M columns c C L. unfold Lambda. apply Rsqr_incr_0_var; [| apply Rmult_le_pos; [exact C | apply frobenius_nonneg]].
  rewrite !Rsqr_pow2, Rpow_mult_distr, !frobenius_stacked, <- sum_scale. apply sum_le. intros s I.
  rewrite <- Rpow_mult_distr. apply pow_incr. split; [apply frobenius_nonneg | now apply L].
Qed.

(** The slopes in the queries, against keys less any row of their own; those in the keys, against queries. *)
Lemma query_slopes : forall V K, (forall s, In s (batch a) -> exists u, forall j c, V s j c = values s j c - u c) ->
  (forall s, In s (batch a) -> exists u, forall j c, K s j c = key a s j c - u c) ->
  frobenius (stack (query_slope a)) (stacked a) (seq 0 (width a))
  <= widest a V (outputs a) * widest a K (width a) / (2 * tau a * sqrt (d_k a)) * Lambda a.
Proof.
  intros V K EV EK. pose proof tau_pos as T. pose proof width_pos as D.
  apply batch_below.
  - repeat apply Rmult_le_pos; try apply widest_nonneg. left. apply Rinv_0_lt_compat. repeat apply Rmult_lt_0_compat; lra.
  - intros s S. destruct (EV s S) as [u U]. destruct (EK s S) as [r R]. pose proof (slopes_below s u V S U) as B.
    set (l := seq 0 (tokens s)) in *. pose proof (below_widest K (width a) s S) as W. fold l in W.
    assert (G : frobenius (query_slope a s) l (seq 0 (width a)) <= / sqrt (d_k a) * (spectral (K s) l (seq 0 (width a)) * frobenius (slope a s) l l)).
    { apply frobenius_by_square.
      { apply Rmult_le_pos; [left; now apply Rinv_0_lt_compat | apply Rmult_le_pos; [apply spectral_nonneg | apply frobenius_nonneg]]. }
      rewrite !Rpow_mult_distr, frobenius_square, <- !sum_scale. apply sum_le. intros i I. apply in_seq in I.
      rewrite <- !Rpow_mult_distr. apply pow_incr. split; [apply norm_nonneg |].
      rewrite (norm_ext _ (fun c => / sqrt (d_k a) * image_t (K s) l (slope a s i) c)).
      - rewrite norm_scale, Rabs_pos_eq by (left; now apply Rinv_0_lt_compat).
        apply Rmult_le_compat_l; [left; now apply Rinv_0_lt_compat | apply image_t_below].
      - intros c _. unfold query_slope, Rdiv. rewrite Rmult_comm. f_equal. unfold image_t. fold l.
        rewrite (sum_ext (fun j => K s j c * slope a s i j) (fun j => slope a s i j * key a s j c - r c * slope a s i j))
          by (intros; rewrite R; ring).
        rewrite sum_minus, sum_scale. unfold l. rewrite slopes_sum_to_0 by lia. ring. }
    eapply Rle_trans; [exact G |]. pose proof (frobenius_nonneg (slope a s) l l) as F.
    pose proof (Rmult_le_compat _ _ _ _ (spectral_nonneg (K s) l (seq 0 (width a))) F W B) as M.
    apply (Rmult_le_compat_l (/ sqrt (d_k a))) in M; [| left; now apply Rinv_0_lt_compat].
    eapply Rle_trans; [exact M |]. apply Req_le. field. lra.
Qed.

Lemma key_slopes : forall V, (forall s, In s (batch a) -> exists u, forall j c, V s j c = values s j c - u c) ->
  frobenius (stack (key_slope a)) (stacked a) (seq 0 (width a))
  <= widest a V (outputs a) * kappa_Q a / (2 * tau a * sqrt (d_k a)) * Lambda a.
Proof.
  intros V EV. pose proof tau_pos as T. pose proof width_pos as D.
  apply batch_below.
  - repeat apply Rmult_le_pos; try apply widest_nonneg. left. apply Rinv_0_lt_compat. repeat apply Rmult_lt_0_compat; lra.
  - intros s S. destruct (EV s S) as [u U]. pose proof (slopes_below s u V S U) as B.
    set (l := seq 0 (tokens s)) in *. pose proof (below_widest (query a) (width a) s S) as W. fold l (kappa_Q a) in W.
    assert (G : frobenius (key_slope a s) l (seq 0 (width a)) <= / sqrt (d_k a) * (spectral (query a s) l (seq 0 (width a)) * frobenius (slope a s) l l)).
    { eapply Rle_trans; [| apply Rmult_le_compat_l; [left; now apply Rinv_0_lt_compat | apply (frobenius_product (query a s) (slope a s))]].
      rewrite (frobenius_transposed (fun f c => sum (fun i => query a s i f * slope a s i c) l)).
      rewrite <- frobenius_scale by (left; now apply Rinv_0_lt_compat). apply Req_le, frobenius_ext. intros j c _ _.
      unfold key_slope, Rdiv. rewrite Rmult_comm. f_equal. fold l. apply sum_ext. intros; ring. }
    eapply Rle_trans; [exact G |]. pose proof (frobenius_nonneg (slope a s) l l) as F.
    pose proof (Rmult_le_compat _ _ _ _ (spectral_nonneg (query a s) l (seq 0 (width a))) F W B) as M.
    apply (Rmult_le_compat_l (/ sqrt (d_k a))) in M; [| left; now apply Rinv_0_lt_compat].
    eapply Rle_trans; [exact M |]. apply Req_le. field. lra.
Qed.

(** The slopes in the keys of a sequence add up to 0, so its inputs may be centred. *)
Lemma grad_K_centred : forall f c, grad_K a f c = sum (fun t => stack (centred inputs) t f * stack (key_slope a) t c) (stacked a).
Proof.
  intros f c. unfold grad_K. rewrite !sum_stacked. apply sum_ext. intros s S. unfold stack, centred. simpl.
  set (l := seq 0 (tokens s)). set (r := mean (fun j => inputs s j f) l).
  rewrite (sum_ext (fun i => (inputs s i f - r) * _) (fun i => inputs s i f * key_slope a s i c - r * key_slope a s i c))
    by (intros; ring).
  rewrite sum_minus, sum_scale. replace (sum (fun j => key_slope a s j c) l) with 0; [ring |].
  unfold key_slope, Rdiv. rewrite sum_scale_r, sum_swap.
  rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros i I. apply in_seq in I.
  rewrite sum_scale_r. unfold l. rewrite slopes_sum_to_0 by lia. ring.
Qed.

Lemma as_they_are : forall (M : sequence -> nat -> nat -> R) s, In s (batch a) -> exists u, forall j c, M s j c = M s j c - u c.
Proof. intros M s _. exists (fun _ => 0). intros. ring. Qed.

Lemma less_their_mean : forall (M : sequence -> nat -> nat -> R) s, In s (batch a) ->
  exists u, forall j c, centred M s j c = M s j c - u c.
Proof. intros M s _. exists (fun c => mean (fun j => M s j c) (seq 0 (tokens s))). reflexivity. Qed.

(** The slopes in queries or keys against the inputs, in the order of the clauses. *)
Lemma multiplied : forall (X M : sequence -> nat -> nat -> R) v k, 0 <= v -> 0 <= k ->
  frobenius (stack M) (stacked a) (seq 0 (width a)) <= v * k / (2 * tau a * sqrt (d_k a)) * Lambda a ->
  frobenius (fun f c => sum (fun t => stack X t f * stack M t c) (stacked a)) (seq 0 (block a)) (seq 0 (width a))
  <= Lambda a * k * v * spectral (stack X) (stacked a) (seq 0 (block a)) / (2 * sqrt (d_k a) * tau a).
Proof.
  intros X M v k V K L. pose proof tau_pos as T. pose proof width_pos as D.
  eapply Rle_trans; [apply frobenius_product |]. eapply Rle_trans; [apply Rmult_le_compat_l; [apply spectral_nonneg | exact L] |].
  apply Req_le. field. lra.
Qed.
End Facts.

Theorem query : forall a, possible a -> g_Q a <= Lambda a * kappa_K a * v a * x_g a / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P. apply (multiplied a P inputs (query_slope a)); try apply widest_nonneg.
  apply query_slopes; trivial; apply as_they_are.
Qed.

Theorem query_centred : forall a, possible a ->
  g_Q a <= Lambda a * kappa_c a * v_c a * x_g a / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P. apply (multiplied a P inputs (query_slope a)); try apply widest_nonneg.
  apply query_slopes; trivial; apply less_their_mean.
Qed.

Theorem key : forall a, possible a -> g_K a <= Lambda a * kappa_Q a * v a * x_g a / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P. apply (multiplied a P inputs (key_slope a)); try apply widest_nonneg.
  apply key_slopes; trivial; apply as_they_are.
Qed.

Theorem key_centred : forall a, possible a ->
  g_K a <= Lambda a * kappa_Q a * v_c a * x_c a / (2 * sqrt (d_k a) * tau a).
Proof.
  intros a P. unfold g_K. rewrite (frobenius_ext _ _ _ _ (fun f c _ _ => grad_K_centred a f c)).
  apply (multiplied a P (centred inputs) (key_slope a)); try apply widest_nonneg.
  apply key_slopes; trivial; apply less_their_mean.
Qed.

(** A stretch by a factor, also of the zero vector. *)
Lemma stretch_below : forall a r, possible a -> 0 <= r ->
  (forall l, l = seq 0 (tokens (first a)) -> l <> [] -> norm (jacobian (last_row a) l (probe a)) l <= r * norm (probe a) l) -> sigma_J a <= r.
Proof.
  intros a r P N L. unfold sigma_J. set (l := seq 0 (tokens (first a))) in *. specialize (L l eq_refl).
  assert (B : norm (jacobian (last_row a) l (probe a)) l <= r * norm (probe a) l).
  { destruct l; [unfold norm; simpl; rewrite sqrt_0; lra | now apply L]. }
  destruct (norm_nonneg (probe a) l) as [Q | Q].
  - apply (Rmult_le_reg_r (norm (probe a) l)); [exact Q |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
  - rewrite <- Q, Rmult_0_r in B. pose proof (norm_nonneg (jacobian (last_row a) l (probe a)) l) as J.
    replace (norm (jacobian (last_row a) l (probe a)) l) with 0 by lra. unfold Rdiv. lra.
Qed.

Lemma some_token : forall a, seq 0 (tokens (first a)) <> [] -> (pred (tokens (first a)) < tokens (first a))%nat.
Proof. intros a N. destruct (tokens (first a)); [now destruct N | simpl; lia]. Qed.

Theorem jacobian : forall a, possible a -> sigma_J a <= 1 / 2.
Proof.
  intros a P. apply stretch_below; [exact P | lra |]. intros l -> N.
  destruct (attention_row a (first a) (pred (tokens (first a))) (some_token a N)) as [M O].
  unfold Rdiv. rewrite Rmult_1_l. now apply jacobian_half.
Qed.

Theorem jacobian_of_this_row : forall a, possible a -> sigma_J a <= 2 * a_p a.
Proof.
  intros a P. unfold a_p. set (f := fun j => last_row a j * (1 - last_row a j)).
  destruct (seq 0 (tokens (first a))) as [| j rest] eqn:E.
  - simpl. rewrite Rmult_0_r. apply stretch_below; [exact P | lra |]. intros l -> N. congruence.
  - assert (N : seq 0 (tokens (first a)) <> []) by congruence.
    destruct (attention_row a (first a) (pred (tokens (first a))) (some_token a N)) as [M O]. rewrite <- E.
    apply stretch_below; [exact P | |].
    + assert (0 <= f j); [| pose proof (below_largest f (seq 0 (tokens (first a))) j ltac:(rewrite E; now left)); lra].
      assert (J : In j (seq 0 (tokens (first a)))) by (rewrite E; now left). pose proof (M j J).
      pose proof (term_below_sum (last_row a) _ j M J) as B. unfold last_row in B at 2. rewrite O in B.
      apply Rmult_le_pos; unfold last_row in *; lra.
    + intros l -> _. apply jacobian_below; [exact M | exact O |]. intros i I.
      pose proof (below_largest f _ i I). unfold f in H at 1. unfold last_row in *. lra.
Qed.
