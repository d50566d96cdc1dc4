(** What holds at a stationary point: it is balanced, the gradient bound C2 bounds the penalties of a live block, and the
    loss differs little from that at [W_Q = W_K = 0]. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Vectors Matrices Softmax.
From Localist Require Head HeadSlope C2.
From Localist Require Import Stationary.
Import ListNotations.
Open Scope R_scope.

Lemma largest_below : forall {A : Type} (f : A -> R) l c, 0 <= c -> (forall i, In i l -> f i <= c) -> largest f l <= c.
Proof.
  intros A f [| i l] c C L; [exact C |]. destruct (largest_attained f (i :: l)) as (j & J & ->); [discriminate |]. now apply L.
Qed.

(** Cauchy-Schwarz for matrices. *)
Lemma inner_below : forall {A B : Type} (M N : A -> B -> R) rows cols,
  sum (fun i => sum (fun j => M i j * N i j) cols) rows <= frobenius M rows cols * frobenius N rows cols.
Proof.
  intros A B M N rows cols. eapply Rle_trans; [apply sum_le; intros i _; apply cauchy_schwarz |].
  eapply Rle_trans; [apply (cauchy_schwarz (fun i => norm (M i) cols) (fun i => norm (N i) cols)) |].
  assert (E : forall Q : A -> B -> R, norm (fun i => norm (Q i) cols) rows = frobenius Q rows cols).
  { intros Q. unfold norm at 1. rewrite <- frobenius_square. apply sqrt_pow2, frobenius_nonneg. }
  rewrite !E. lra.
Qed.

Lemma inner_above : forall {A B : Type} (M N : A -> B -> R) rows cols,
  - sum (fun i => sum (fun j => M i j * N i j) cols) rows <= frobenius M rows cols * frobenius N rows cols.
Proof.
  intros A B M N rows cols. pose proof (inner_below (fun i j => -1 * M i j) N rows cols) as I.
  rewrite (sum_ext _ (fun i => -1 * sum (fun j => M i j * N i j) cols)), sum_scale in I
    by (intros; rewrite <- sum_scale; apply sum_ext; intros; ring).
  replace (frobenius (fun i j => -1 * M i j) rows cols) with (frobenius M rows cols) in I
    by (unfold frobenius; f_equal; apply sum_ext; intros; apply sum_ext; intros; ring). lra.
Qed.

(** Rows further down, where the matrix is 0, add nothing. *)
Lemma sum_of_live : forall n m (f : nat -> R), (forall i, (n <= i < n + m)%nat -> f i = 0) ->
  sum f (seq 0 (n + m)) = sum f (seq 0 n).
Proof.
  intros n m f Z. rewrite seq_app, sum_app, (sum_ext f (fun _ => 0) (seq (0 + n) m)).
  - rewrite sum_const. ring.
  - intros i I. apply in_seq in I. apply Z. lia.
Qed.

Section Facts.
Variable a : point.
Hypothesis P : possible a.
Hypothesis B : no_bias a.
Hypothesis O : one_live_block a.

Let h := head a.

Lemma head_possible : Head.possible h.
Proof. destruct P as (W & T & _). now split. Qed.

Lemma dead : forall f c, (Head.block h <= f < Head.block h + Head.rest h)%nat -> Head.W_Q h f c = 0 /\ Head.W_K h f c = 0.
Proof. intros f c F. apply O; unfold all_rows, block_rows; fold h; rewrite in_seq; lia. Qed.

(** Queries and keys come from the live block alone. *)
Lemma query_is : forall s i c, Head.query h s i c = sum (fun f => Head.inputs s i f * Head.W_Q h f c) (block_rows a).
Proof.
  intros s i c. unfold Head.query. destruct (B c) as [Z _]. fold h in Z. rewrite Z, Rplus_0_r. apply sum_of_live.
  intros f F. destruct (dead f c F) as [E _]. rewrite E. ring.
Qed.

Lemma key_is : forall s i c, Head.key h s i c = sum (fun f => Head.inputs s i f * Head.W_K h f c) (block_rows a).
Proof.
  intros s i c. unfold Head.key. destruct (B c) as [_ Z]. fold h in Z. rewrite Z, Rplus_0_r. apply sum_of_live.
  intros f F. destruct (dead f c F) as [_ E]. rewrite E. ring.
Qed.

(** The slope along a weight itself, by tokens. *)
Lemma along : forall (M : Head.sequence -> nat -> nat -> R) (W : nat -> nat -> R),
  sum (fun f => sum (fun c => sum (fun t => Head.stack Head.inputs t f * Head.stack M t c) (Head.stacked h) * W f c) (columns a)) (block_rows a)
  = sum (fun t => sum (fun c => Head.stack M t c * sum (fun f => Head.stack Head.inputs t f * W f c) (block_rows a)) (columns a)) (Head.stacked h).
Proof.
  intros M W.
  rewrite (sum_ext _ (fun f => sum (fun t => sum (fun c => Head.stack Head.inputs t f * Head.stack M t c * W f c) (columns a)) (Head.stacked h))).
  - rewrite sum_swap. apply sum_ext. intros t _. rewrite sum_swap. apply sum_ext. intros c _. rewrite <- sum_scale.
    apply sum_ext. intros; ring.
  - intros f _. rewrite sum_swap. apply sum_ext. intros c _. now rewrite sum_scale_r.
Qed.

(** Scores are bilinear in the weights: the loss's slope along [W_Q] is that along [W_K]. *)
Lemma bilinear :
  sum (fun f => sum (fun c => Head.grad_Q h f c * Head.W_Q h f c) (columns a)) (block_rows a)
  = sum (fun f => sum (fun c => Head.grad_K h f c * Head.W_K h f c) (columns a)) (block_rows a).
Proof.
  unfold Head.grad_Q, Head.grad_K. rewrite !along, !HeadSlope.sum_stacked. apply sum_ext. intros s _. unfold Head.stack. simpl.
  set (l := seq 0 (Head.tokens s)).
  set (F := fun c i j => Head.slope h s i j * Head.key h s j c * Head.query h s i c / sqrt (Head.d_k h)).
  transitivity (sum (fun c => sum (fun i => sum (F c i) l) l) (columns a)); [rewrite sum_swap | symmetry; rewrite sum_swap].
  - apply sum_ext. intros c _. apply sum_ext. intros i _. rewrite <- query_is. unfold Head.query_slope, F, Rdiv. fold l.
    rewrite <- sum_scale_r, <- sum_scale_r. apply sum_ext. intros; ring.
  - apply sum_ext. intros c _. rewrite (sum_swap (F c)). apply sum_ext. intros i _. rewrite <- key_is.
    unfold Head.key_slope, F, Rdiv. fold l. rewrite <- sum_scale_r, <- sum_scale_r. apply sum_ext. intros; ring.
Qed.

(** What a level block says: the slope along it is minus its penalty, and a live one has a gradient as long as that. *)
Lemma level_slope : forall gradient W penalty, level a gradient W penalty ->
  sum (fun f => sum (fun c => gradient f c * W f c) (columns a)) (block_rows a)
  = - (penalty * frobenius W (block_rows a) (columns a)).
Proof.
  intros gradient W penalty (Z & [_ S] & E). rewrite <- S, Ropp_mult_distr_l, <- sum_scale. apply sum_ext. intros f F.
  rewrite <- sum_scale. apply sum_ext. intros c C. specialize (E f c F C). replace (gradient f c) with (- penalty * Z f c) by lra. ring.
Qed.

Lemma level_length : forall gradient W penalty, level a gradient W penalty -> 0 <= penalty ->
  0 < frobenius W (block_rows a) (columns a) -> penalty <= frobenius gradient (block_rows a) (columns a).
Proof.
  intros gradient W penalty L N W0. pose proof (level_slope gradient W penalty L) as E.
  pose proof (inner_above gradient W (block_rows a) (columns a)) as I. rewrite E in I.
  apply (Rmult_le_reg_r _ _ _ W0). lra.
Qed.

Lemma balanced_ : stationary a -> lambda_Q a * w_Q a = lambda_K a * w_K a.
Proof.
  intros [Q K]. apply level_slope in Q, K. pose proof bilinear as E. unfold h in E. unfold w_Q, w_K. lra.
Qed.

Lemma half : stationary a -> lambda_Q a * w_Q a <= J_0 a / 2 - L_inf a / 2.
Proof.
  intros S. pose proof (balanced_ S) as E. pose proof (loss_above a (outputs a)) as L. unfold J_0, L_0. lra.
Qed.

(** One sequence's tokens among all. *)
Lemma part_below : forall s (f : nat -> R) (g : Head.sequence * nat -> R), In s (Head.batch h) -> (forall i, f i = g (s, i)) ->
  norm f (seq 0 (Head.tokens s)) <= norm g (Head.stacked h).
Proof.
  intros s f g S E. unfold norm. apply sqrt_le_1_alt. rewrite HeadSlope.sum_stacked.
  eapply Rle_trans; [| apply (term_below_sum (fun s => sum (fun i => g (s, i) ^ 2) (seq 0 (Head.tokens s))) _ s); [| exact S]].
  - apply Req_le, sum_ext. intros i _. now rewrite E.
  - intros r _. apply (squares_nonneg (fun i => g (r, i))).
Qed.

(** A vector over the live block, with zeros at the other features. *)
Definition live (u : nat -> R) (f : nat) : R := if (f <? Head.block h)%nat then u f else 0.

Lemma live_in : forall u f, In f (block_rows a) -> live u f = u f.
Proof. intros u f F. apply in_seq in F. fold h in F. unfold live. destruct (Nat.ltb_spec f (Head.block h)); [reflexivity | lia]. Qed.

Lemma live_out : forall u f, (Head.block h <= f)%nat -> live u f = 0.
Proof. intros u f F. unfold live. destruct (Nat.ltb_spec f (Head.block h)); [lia | reflexivity]. Qed.

(** What the inputs make of such a vector, and its norm. *)
Lemma image_live : forall (M : Head.sequence * nat -> nat -> R) u t, image M (all_rows a) (live u) t = sum (fun f => M t f * u f) (block_rows a).
Proof.
  intros M u t. unfold image, all_rows. fold h. rewrite sum_of_live by (intros f F; rewrite live_out by lia; ring).
  apply sum_ext. intros f F. now rewrite live_in.
Qed.

Lemma norm_live : forall u, norm (live u) (all_rows a) = norm u (block_rows a).
Proof.
  intros u. unfold norm, all_rows. fold h. f_equal. rewrite sum_of_live by (intros f F; rewrite live_out by lia; ring).
  apply sum_ext. intros f F. now rewrite live_in.
Qed.

(** One block of the inputs is no wider than all of them. *)
Lemma x_g_below : x_g a <= x a.
Proof.
  apply spectral_is_lub. intros r (y & Y & ->). fold (block_rows a) in Y |- *.
  rewrite (norm_ext _ (image (Head.stack Head.inputs) (all_rows a) (live y)))
    by (intros; now rewrite image_live).
  eapply Rle_trans; [apply image_below |]. rewrite norm_live. fold (x a).
  pose proof (Rmult_le_compat_l (x a) _ _ (spectral_nonneg _ _ _) Y). lra.
Qed.

(** No key matrix is wider than the inputs times the weights. *)
Lemma keys_below : forall s, In s (Head.batch h) -> spectral (Head.key h s) (seq 0 (Head.tokens s)) (columns a) <= x_g a * w_K a.
Proof.
  intros s S. apply spectral_is_lub. intros r (y & Y & ->). set (u := image (Head.W_K h) (columns a) y).
  eapply Rle_trans; [apply (part_below s _ (image (Head.stack Head.inputs) (block_rows a) u) S) |].
  - intros i. unfold image at 1.
    rewrite (sum_ext _ (fun c => sum (fun f => Head.inputs s i f * Head.W_K h f c * y c) (block_rows a)))
      by (intros; rewrite key_is; now rewrite sum_scale_r).
    rewrite sum_swap. apply sum_ext. intros f _. unfold u, image. rewrite <- sum_scale. apply sum_ext. intros.
    unfold Head.stack. simpl. ring.
  - eapply Rle_trans; [apply image_below |]. apply Rmult_le_compat_l; [apply spectral_nonneg |].
    eapply Rle_trans; [apply image_below_frobenius |].
    pose proof (Rmult_le_compat_l _ _ _ (frobenius_nonneg (Head.W_K h) (block_rows a) (columns a)) Y). unfold w_K. fold h. lra.
Qed.

Lemma widest_keys : Head.kappa_K h <= x a * w_K a.
Proof.
  apply Rle_trans with (x_g a * w_K a); [| apply Rmult_le_compat_r; [apply frobenius_nonneg | apply x_g_below]].
  apply largest_below; [apply Rmult_le_pos; [apply spectral_nonneg | apply frobenius_nonneg] | apply keys_below].
Qed.

(** Penalties of a live block. *)
Definition per_key : R := Lambda a * v a * x_g a / (2 * sqrt (d_k a) * tau a).

Lemma signs : 0 <= Lambda a /\ 0 <= v a /\ 0 <= x_g a /\ 0 <= x a /\ 0 <= w_Q a /\ 0 <= w_K a /\ 0 < sqrt (d_k a) /\ 0 < tau a.
Proof.
  repeat split; try apply frobenius_nonneg; try apply spectral_nonneg; try apply C2.widest_nonneg.
  - exact (C2.width_pos h head_possible).
  - exact (C2.tau_pos h head_possible).
Qed.

Lemma per_key_nonneg : 0 <= per_key.
Proof.
  destruct signs as (L & V & X & _ & _ & _ & D & T). repeat apply Rmult_le_pos; trivial. left. apply Rinv_0_lt_compat.
  repeat apply Rmult_lt_0_compat; lra.
Qed.

Lemma live_penalty : stationary a -> 0 < w_Q a -> lambda_Q a <= per_key * (x a * w_K a).
Proof.
  intros [S _] W. destruct P as (_ & _ & Q & _). destruct signs as (_ & _ & _ & _ & _ & _ & D & T).
  eapply Rle_trans; [apply (level_length _ _ _ S Q W) |]. eapply Rle_trans; [apply (C2.query h head_possible) |].
  pose proof (Rmult_le_compat_l _ _ _ per_key_nonneg widest_keys) as K. unfold per_key in K.
  unfold per_key, Lambda, v, x_g, d_k, tau in *. fold h in D, T, K |- *.
  eapply Rle_trans; [| exact K]. apply Req_le. field. lra.
Qed.

Lemma both_penalties : stationary a -> 0 < w_Q a -> lambda_K a * lambda_Q a <= per_key * x a * (J_0 a / 2 - L_inf a / 2).
Proof.
  intros S W. pose proof (live_penalty S W) as L. destruct P as (_ & _ & _ & K & _). pose proof (half S) as H.
  rewrite (balanced_ S) in H. apply (Rmult_le_compat_l (lambda_K a)) in L; [| exact K].
  pose proof (Rmult_le_compat_l (per_key * x a) _ _ (Rmult_le_pos _ _ per_key_nonneg (spectral_nonneg _ _ _)) H). lra.
Qed.

(** The outputs at [W_Q = W_K = 0] are those of a level row of scores; from there a row moves half as far as its scores. *)
Lemma row_moves : forall s i, (i < Head.tokens s)%nat -> let l := seq 0 (Head.tokens s) in
  norm (fun j => Head.attention h s i j - Head.attention (emptied h) s i j) l <= / 2 * norm (fun j => Head.score h s i j / tau a) l.
Proof.
  intros s i I l. set (e := fun j => if Head.visible h i j then 1 else 0). set (u := fun j => Head.score h s i j / tau a).
  assert (W1 : forall j, weigh e u 1 j = Head.boltzmann h s i j).
  { intros j. unfold weigh, e, u, Head.boltzmann. fold h. unfold tau. fold h. rewrite Rmult_1_l. destruct Head.visible; ring. }
  assert (W0 : forall j, weigh e u 0 j = Head.boltzmann (emptied h) s i j).
  { intros j. unfold weigh, e, Head.boltzmann. change (Head.visible (emptied h) i j) with (Head.visible h i j).
    replace (Head.score (emptied h) s i j) with 0; [unfold Rdiv; rewrite !Rmult_0_l; destruct Head.visible; ring |].
    unfold Head.score, Rdiv. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros c _.
    replace (Head.query (emptied h) s i c) with 0; [ring |]. unfold Head.query. simpl.
    destruct (B c) as [Z _]. fold h in Z. rewrite Z, (sum_ext _ (fun _ => 0)) by (intros; ring). rewrite sum_const. ring. }
  rewrite (norm_ext _ (fun j => softmax l e u 1 j - softmax l e u 0 j)).
  - apply half_as_far.
    + intros j _. unfold e. destruct Head.visible; lra.
    + exists i. split; [apply in_seq; lia |]. unfold e, Head.visible. rewrite Nat.leb_refl, Bool.orb_true_r. lra.
  - intros j _. unfold softmax, Head.attention. fold l. rewrite W1, W0.
    rewrite (sum_ext _ _ l (fun k _ => W1 k)), (sum_ext _ _ l (fun k _ => W0 k)). reflexivity.
Qed.

(** Queries are no larger than inputs times weights. *)
Lemma queries_below : frobenius (Head.stack (Head.query h)) (Head.stacked h) (columns a) <= x_g a * w_Q a.
Proof.
  rewrite frobenius_transposed. apply frobenius_by_square; [apply Rmult_le_pos; [apply spectral_nonneg | apply frobenius_nonneg] |].
  unfold w_Q. rewrite (frobenius_transposed (Head.W_Q (head a))). rewrite Rpow_mult_distr, frobenius_square, <- sum_scale.
  apply sum_le. intros c _. rewrite <- Rpow_mult_distr. apply pow_incr. split; [apply norm_nonneg |].
  eapply Rle_trans; [| apply (image_below (Head.stack Head.inputs) (Head.stacked (head a)))]. apply Req_le, norm_ext.
  intros t _. unfold image, Head.stack. now rewrite query_is.
Qed.

Definition moved : outcome := fun s i c => outputs a s i c - outputs_0 a s i c.

Lemma outputs_move : size a moved <= v a * (x_g a * w_K a) / (2 * tau a * sqrt (d_k a)) * (x_g a * w_Q a).
Proof.
  destruct signs as (_ & V & X & _ & _ & K & D & T). pose proof (Rmult_le_pos _ _ X K) as XK.
  assert (C : 0 <= v a * (x_g a * w_K a) / (2 * tau a * sqrt (d_k a))).
  { apply Rmult_le_pos; [now apply Rmult_le_pos | left; apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; lra]. }
  eapply Rle_trans; [| apply Rmult_le_compat_l; [exact C | apply queries_below]].
  apply frobenius_by_square; [apply Rmult_le_pos; [exact C | apply frobenius_nonneg] |].
  rewrite Rpow_mult_distr, frobenius_square, <- sum_scale. fold h. rewrite !HeadSlope.sum_stacked. apply sum_le. intros s S.
  apply sum_le. intros i I. apply in_seq in I. rewrite <- Rpow_mult_distr. apply pow_incr. split; [apply norm_nonneg |].
  set (l := seq 0 (Head.tokens s)). set (q := norm (Head.stack (Head.query h) (s, i)) (columns a)).
  set (u := fun j => Head.attention h s i j - Head.attention (emptied h) s i j).
  rewrite (norm_ext _ (image_t (Head.values s) l u)).
  2: { intros c _. unfold Head.stack, moved, outputs, outputs_0, Head.output, image_t, u. simpl. fold h l.
       rewrite <- sum_minus. apply sum_ext. intros; ring. }
  eapply Rle_trans; [apply image_t_below |].
  assert (Q : norm (fun j => Head.score h s i j / tau a) l <= / (tau a * sqrt (d_k a)) * (x_g a * w_K a * q)).
  { rewrite (norm_ext _ (fun j => / (tau a * sqrt (d_k a)) * image (Head.key h s) (columns a) (Head.query h s i) j)).
    - rewrite norm_scale, Rabs_pos_eq by (left; apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; lra).
      apply Rmult_le_compat_l; [left; apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; lra |].
      eapply Rle_trans; [apply image_below |]. apply Rmult_le_compat_r; [apply norm_nonneg | now apply keys_below].
    - intros j _. unfold Head.score, image. rewrite (sum_ext _ (fun c => Head.key h s j c * Head.query h s i c)) by (intros; ring).
      fold h (columns a). change (Head.d_k h) with (d_k a). change (seq 0 (Head.width h)) with (columns a). field. lra. }
  pose proof (row_moves s i ltac:(lia)) as R. cbv zeta in R. fold l u in R.
  assert (W : spectral (Head.values s) l (seq 0 (Head.outputs h)) <= v a) by exact (C2.below_widest h Head.values (Head.outputs h) s S).
  eapply Rle_trans; [apply Rmult_le_compat; [apply spectral_nonneg | apply norm_nonneg | exact W | exact R] |].
  apply (Rmult_le_compat_l (v a * / 2)) in Q; [| lra]. rewrite <- Rmult_assoc. eapply Rle_trans; [exact Q |].
  apply Req_le. field. lra.
Qed.

(** The loss moves at most by its largest slope on the way. *)
Lemma loss_moves : slope_bounded a -> J_o a - L_0 a <= Lambda a * size a moved.
Proof.
  intros (gradient & _ & G). destruct (MVT_cor2 (fun u => loss a (between a u)) (fun u => inner a (gradient u) moved) 0 1 Rlt_0_1
    (fun u U => proj2 (G u U))) as (t & E & U).
  assert (E1 : between a 1 = outputs a).
  { repeat (apply FunctionalExtensionality.functional_extensionality; intro). unfold between. ring. }
  assert (E0 : between a 0 = outputs_0 a).
  { repeat (apply FunctionalExtensionality.functional_extensionality; intro). unfold between. ring. }
  rewrite E1, E0 in E. destruct (G t ltac:(lra)) as [S _].
  pose proof (inner_above (Head.stack (gradient t)) (Head.stack moved) (Head.stacked (head a)) (seq 0 (Head.outputs (head a)))) as I.
  fold (inner a (gradient t) moved) (size a (gradient t)) (size a moved) in I.
  pose proof (Rmult_le_compat_r (size a moved) _ _ (frobenius_nonneg _ _ _) S). unfold J_o, L_0. lra.
Qed.

Lemma loss_gained : slope_bounded a -> J_o a - L_0 a <= per_key * x_g a * (w_Q a * w_K a).
Proof.
  intros S. destruct signs as (N & _ & _ & _ & _ & _ & D & T). eapply Rle_trans; [now apply loss_moves |].
  eapply Rle_trans; [apply Rmult_le_compat_l; [exact N | apply outputs_move] |].
  apply Req_le. unfold per_key. field. lra.
Qed.
End Facts.
