(** H1, truncation: what is dropped moves a mean by the leak times the gap of two means, and a mean of vectors is at most
    as long as the longest. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Vectors.
From Localist Require Row RowFacts.
From Localist Require Import Truncated.
Import ListNotations.
Open Scope R_scope.

(** A mix of vectors is at most as long as the mix of their lengths. *)
Lemma norm_sum : forall {A B : Type} (p : A -> R) (g : A -> B -> R) l d, (forall i, In i l -> 0 <= p i) ->
  norm (fun c => sum (fun i => p i * g i c) l) d <= sum (fun i => p i * norm (g i) d) l.
Proof.
  intros A B p g l d. induction l as [| i l I]; intros N.
  - simpl. unfold norm. rewrite (sum_ext _ (fun _ => 0)) by (intros; ring). rewrite sum_const, Rmult_0_r, sqrt_0. lra.
  - simpl. eapply Rle_trans; [apply (minkowski (fun c => p i * g i c)) |]. apply Rplus_le_compat.
    + rewrite norm_scale, Rabs_pos_eq by (apply N; simpl; auto). lra.
    + apply I. intros; apply N; simpl; auto.
Qed.

Lemma norm_ext : forall {A : Type} (f g : A -> R) l, (forall i, In i l -> f i = g i) -> norm f l = norm g l.
Proof. intros A f g l E. unfold norm. f_equal. apply sum_ext. intros i I. now rewrite E. Qed.

Lemma sum_over : forall {A : Type} (h : A -> R) z l, sum (fun i => h i / z) l = sum h l / z.
Proof. intros A h z l. unfold Rdiv. apply sum_scale_r. Qed.

Section Facts.
Variable a : truncated.
Hypothesis P : possible a.

Lemma block_not_empty : block a <> [].
Proof. unfold block. destruct P. destruct (inside a); [lia | discriminate]. Qed.

Lemma others_not_empty : others a <> [].
Proof. unfold others. destruct P. destruct (outside a); [lia | discriminate]. Qed.

Lemma weight_pos : forall h i, 0 < weight a h i.
Proof. intros; apply exp_pos. Qed.

Lemma inside_pos : forall h, 0 < sum (weight a h) (block a).
Proof. intros h. apply sum_pos; [apply block_not_empty | intros; apply weight_pos]. Qed.

Lemma outside_pos : forall h, 0 < sum (weight a h) (others a).
Proof. intros h. apply sum_pos; [apply others_not_empty | intros; apply weight_pos]. Qed.

Lemma leak_nonneg : forall h, 0 <= leak a h.
Proof.
  intros h. unfold leak, keys. rewrite sum_app. pose proof (inside_pos h). pose proof (outside_pos h).
  left. apply Rdiv_lt_0_compat; lra.
Qed.

(** The move of a mean. *)
Lemma move_is : forall h f, move a h f = leak a h * (average a h (block a) f - average a h (others a) f).
Proof.
  intros h f. unfold move, leak, average, keys. rewrite !sum_app. pose proof (inside_pos h). pose proof (outside_pos h).
  field. lra.
Qed.

(** A mean off a point is the mix of what its terms are off it. *)
Lemma average_off : forall h l (x : nat -> R) (v : nat -> nat -> R) (d : list nat), 0 < sum (weight a h) l ->
  norm (fun c => x c - average a h l (fun i => v i c)) d
  <= sum (fun i => weight a h i / sum (weight a h) l * norm (fun c => x c - v i c) d) l.
Proof.
  intros h l x v d L. eapply Rle_trans; [| apply norm_sum with (g := fun i c => x c - v i c)].
  - right. apply norm_ext. intros c _. unfold average.
    rewrite (sum_ext (fun i => weight a h i / sum (weight a h) l * (x c - v i c))
      (fun i => weight a h i * x c / sum (weight a h) l - weight a h i * v i c / sum (weight a h) l))
      by (intros; unfold Rdiv; ring).
    rewrite sum_minus, !sum_over, sum_scale_r. field. lra.
  - intros i _. left. apply Rdiv_lt_0_compat; [apply weight_pos | exact L].
Qed.

Lemma average_at_most : forall h l g y, 0 < sum (weight a h) l -> (forall i, In i l -> g i <= y) ->
  sum (fun i => weight a h i / sum (weight a h) l * g i) l <= y.
Proof.
  intros h l g y L B. apply Rle_trans with (sum (fun i => weight a h i / sum (weight a h) l * y) l).
  - apply sum_le. intros i I. apply Rmult_le_compat_l; [left; apply Rdiv_lt_0_compat; trivial; apply weight_pos | now apply B].
  - rewrite sum_scale_r, sum_over. right. field. lra.
Qed.

Lemma norm_swap : forall (x z : nat -> R) (d : list nat), norm (fun c => x c - z c) d = norm (fun c => z c - x c) d.
Proof. intros x z d. unfold norm. f_equal. apply sum_ext. intros; ring. Qed.

(** Two means over the sides are no farther apart than the farthest pair. *)
Lemma means_apart : forall h (v : nat -> nat -> R) (d : list nat),
  norm (fun c => average a h (block a) (fun i => v i c) - average a h (others a) (fun i => v i c)) d <= reach a v d.
Proof.
  intros h v d. pose proof (inside_pos h) as I. pose proof (outside_pos h) as O.
  rewrite norm_swap. eapply Rle_trans; [now apply average_off |]. apply average_at_most; [exact I |].
  intros i J. rewrite norm_swap. eapply Rle_trans; [now apply average_off |]. apply average_at_most; [exact O |].
  intros j K. apply (below_largest (apart v d) (pairs a) (i, j)). now apply in_prod.
Qed.

Lemma head_move : forall h (v : nat -> nat -> R) (d : list nat), norm (fun c => move a h (fun i => v i c)) d <= leak a h * reach a v d.
Proof.
  intros h v d. rewrite (norm_ext _ (fun c => leak a h *
    (average a h (block a) (fun i => v i c) - average a h (others a) (fun i => v i c)))) by (intros; apply move_is).
  rewrite norm_scale, Rabs_pos_eq by apply leak_nonneg. apply Rmult_le_compat_l; [apply leak_nonneg | apply means_apart].
Qed.

(** The farthest pair is as far apart as any. *)
Lemma farther_is : forall v d l p, In (farther v d p l) (p :: l) /\
  (forall q, In q (p :: l) -> apart v d q <= apart v d (farther v d p l)).
Proof.
  intros v d l. induction l as [| q l I]; intros p; [split; [now left | intros q [<- | []]; simpl; lra] |].
  simpl farther. destruct (Rle_dec (apart v d p) (apart v d q)) as [L | L].
  - destruct (I q) as [M B]. split; [now right |]. pose proof (B q (or_introl eq_refl)).
    intros r [<- | R]; [lra | now apply B].
  - destruct (I p) as [M B]. split; [destruct M as [M | M]; [now left | now right; right] |].
    pose proof (B p (or_introl eq_refl)). intros r [<- | [<- | R]]; [lra | lra | apply B; now right].
Qed.

Lemma first_pair : In (0%nat, inside a) (pairs a).
Proof. destruct P. apply in_prod; apply in_seq; lia. Qed.

Lemma farthest_is : apart (value a 0) (columns a) (farthest a) = D_cut a.
Proof.
  destruct (farther_is (value a 0) (columns a) (pairs a) (0%nat, inside a)) as [M B]. fold (farthest a) in M, B.
  pose proof first_pair as F. unfold D_cut, reach. apply Rle_antisym.
  - apply below_largest. destruct M as [<- | M]; trivial.
  - destruct (largest_attained (apart (value a 0) (columns a)) (pairs a)) as (q & Q & ->); [intros N; now rewrite N in F |].
    apply B. now right.
Qed.

Lemma average_const : forall h l f x, 0 < sum (weight a h) l -> (forall i, In i l -> f i = x) -> average a h l f = x.
Proof.
  intros h l f x L E. unfold average. rewrite (sum_ext _ (fun i => weight a h i * x)) by (intros i I; now rewrite E).
  rewrite sum_scale_r. field. lra.
Qed.

Lemma far_move : r_far a = leak a 0 * D_cut a.
Proof.
  rewrite <- farthest_is. unfold r_far, apart. pose proof (leak_nonneg 0) as L.
  rewrite <- (Rabs_pos_eq (leak a 0)) at 1 by exact L. rewrite <- norm_scale. apply norm_ext. intros c _.
  rewrite move_is. f_equal. f_equal; apply average_const; try apply inside_pos; try apply outside_pos; intros i I; apply in_seq in I.
  - destruct (Nat.ltb_spec i (inside a)); [reflexivity | lia].
  - destruct (Nat.ltb_spec i (inside a)); [lia | reflexivity].
Qed.

(** The projection of the moves is the move of the projections. *)
Lemma move_projected : forall h o,
  move a h (fun i => projected a h i o) = sum (fun c => move a h (fun i => value a h i c) * projection a h c o) (columns a).
Proof.
  assert (A : forall h o l, 0 < sum (weight a h) l -> average a h l (fun i => projected a h i o)
    = sum (fun c => average a h l (fun i => value a h i c) * projection a h c o) (columns a)).
  { intros h o l L. unfold average, projected.
    rewrite (sum_ext _ (fun i => sum (fun c => weight a h i * value a h i c * projection a h c o) (columns a)))
      by (intros; rewrite <- sum_scale; apply sum_ext; intros; ring).
    rewrite sum_swap. unfold Rdiv at 1. rewrite <- sum_scale_r. apply sum_ext. intros c _. rewrite sum_scale_r. field. lra. }
  intros h o. unfold move, keys. pose proof (inside_pos h). pose proof (outside_pos h).
  rewrite !A by (trivial; rewrite sum_app; lra). rewrite <- sum_minus. apply sum_ext. intros; ring.
Qed.

(** A length is at most the sum of the sizes of the coordinates. *)
Lemma norm_below_sum : forall (f : nat -> R) l, norm f l <= sum (fun i => Rabs (f i)) l.
Proof.
  intros f l. induction l as [| i l I]; [unfold norm; simpl; rewrite sqrt_0; lra |].
  assert (S : 0 <= sum (fun i => Rabs (f i)) l) by (apply sum_nonneg; intros; apply Rabs_pos).
  pose proof (Rabs_pos (f i)). apply Rsqr_incr_0_var; [| simpl; lra].
  rewrite !Rsqr_pow2, norm_square. change (sum (fun i => f i ^ 2) (i :: l)) with (f i ^ 2 + sum (fun i => f i ^ 2) l).
  change (sum (fun i => Rabs (f i)) (i :: l)) with (Rabs (f i) + sum (fun i => Rabs (f i)) l). rewrite <- norm_square.
  assert (norm f l ^ 2 <= sum (fun i => Rabs (f i)) l ^ 2) by (apply pow_incr; split; [apply norm_nonneg | exact I]).
  rewrite <- (pow2_abs (f i)). set (c := sum (fun i => Rabs (f i)) l) in *. pose proof (Rmult_le_pos _ _ H S).
  replace ((Rabs (f i) + c) ^ 2) with (Rabs (f i) ^ 2 + 2 * (Rabs (f i) * c) + c ^ 2) by ring. lra.
Qed.

Lemma part_of_square : forall x h c, In h (every a) -> In c (columns a) -> x h c ^ 2 <= square a x.
Proof.
  intros x h c H C. unfold square.
  assert (G : forall {A : Type} (f : A -> R) l i, (forall j, 0 <= f j) -> In i l -> f i <= sum f l).
  { intros A f l i N I. apply in_split in I as (u & v & ->). rewrite sum_app. simpl.
    pose proof (sum_nonneg f u (fun j _ => N j)). pose proof (sum_nonneg f v (fun j _ => N j)). lra. }
  eapply Rle_trans; [apply (G _ (fun c => x h c ^ 2) (columns a) c); [intros; apply pow2_ge_0 | exact C] |].
  apply (G _ (fun h => sum (fun c => x h c ^ 2) (columns a)) (every a) h); [intros; apply squares_nonneg | exact H].
Qed.

Definition sizes : R :=
  sum (fun o => sum (fun h => sum (fun c => Rabs (projection a h c o)) (columns a)) (every a)) (rows a).

Lemma sum_abs : forall {A : Type} (f : A -> R) l, Rabs (sum f l) <= sum (fun i => Rabs (f i)) l.
Proof.
  intros A f l. induction l as [| i l I]; simpl; [rewrite Rabs_R0; lra |].
  eapply Rle_trans; [apply Rabs_triang | apply Rplus_le_compat_l, I].
Qed.

Lemma image_bounded : forall x, square a x <= 1 -> norm (image a x) (rows a) <= sizes.
Proof.
  intros x S. eapply Rle_trans; [apply norm_below_sum |]. apply sum_le. intros o _. unfold image.
  eapply Rle_trans; [apply sum_abs |]. apply sum_le. intros h H. eapply Rle_trans; [apply sum_abs |]. apply sum_le. intros c C.
  rewrite Rabs_mult. rewrite <- (Rmult_1_l (Rabs (projection a h c o))) at 2. apply Rmult_le_compat_r; [apply Rabs_pos |].
  pose proof (part_of_square x h c H C) as Q. apply Rsqr_incr_0_var; [| lra].
  rewrite <- Rsqr_abs, Rsqr_1, Rsqr_pow2. lra.
Qed.

Lemma below_spectral : forall x, square a x <= 1 -> norm (image a x) (rows a) <= W_O a.
Proof.
  intros x S. unfold W_O. set (E := fun r => exists x, square a x <= 1 /\ r = norm (image a x) (rows a)).
  destruct (Lub_Rbar_correct E) as [U L]. specialize (U (norm (image a x) (rows a)) (ex_intro _ x (conj S eq_refl))).
  assert (B : is_ub_Rbar E (Finite sizes)) by (intros r (y & Y & ->); now apply image_bounded).
  specialize (L _ B).
  destruct (Lub_Rbar E); simpl in *; tauto || lra.
Qed.

(** A vector that attains a bound of all shows the spectral norm. *)
Lemma spectral_is : forall x c, square a x <= 1 -> c <= norm (image a x) (rows a) ->
  (forall y, square a y <= 1 -> norm (image a y) (rows a) <= c) -> W_O a = c.
Proof.
  intros x c S L U. apply Rle_antisym; [| pose proof (below_spectral x S); lra].
  unfold W_O. set (E := fun r => exists x, square a x <= 1 /\ r = norm (image a x) (rows a)).
  destruct (Lub_Rbar_correct E) as [B M]. specialize (B (norm (image a x) (rows a)) (ex_intro _ x (conj S eq_refl))).
  assert (N : is_ub_Rbar E (Finite c)) by (intros r (y & Y & ->); now apply U). specialize (M _ N).
  destruct (Lub_Rbar E); simpl in *; tauto || lra.
Qed.

(** The spectral norm bounds the image of every vector. *)
Lemma spectral : forall x, norm (image a x) (rows a) <= W_O a * sqrt (square a x).
Proof.
  intros x. assert (N : 0 <= square a x) by (apply sum_nonneg; intros; apply squares_nonneg).
  destruct N as [N | Z].
  - pose proof (sqrt_lt_R0 _ N) as S. set (r := sqrt (square a x)) in *.
    assert (Q : square a (fun h c => / r * x h c) <= 1).
    { unfold square. rewrite (sum_ext _ (fun h => / r ^ 2 * sum (fun c => x h c ^ 2) (columns a))).
      - rewrite sum_scale. fold (square a x). unfold r at 1. rewrite pow2_sqrt by lra. right. field. lra.
      - intros h _. rewrite <- sum_scale. apply sum_ext. intros c _. field. lra. }
    pose proof (below_spectral _ Q) as B.
    rewrite (norm_ext (image a _) (fun o => / r * image a x o)) in B.
    + rewrite norm_scale, Rabs_pos_eq in B by (left; now apply Rinv_0_lt_compat).
      apply (Rmult_le_compat_r r) in B; [| lra]. replace (/ r * norm (image a x) (rows a) * r) with (norm (image a x) (rows a)) in B by (field; lra). exact B.
    + intros o _. unfold image. rewrite <- sum_scale. apply sum_ext. intros h _. rewrite <- sum_scale. apply sum_ext. intros; ring.
  - rewrite <- Z, sqrt_0, Rmult_0_r. right. unfold norm. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const, Rmult_0_r; apply sqrt_0 |].
    intros o _. unfold image. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |].
    intros h H. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros c C.
    pose proof (part_of_square x h c H C) as Q. rewrite <- Z in Q. pose proof (pow2_ge_0 (x h c)).
    assert (E : x h c = 0) by (apply Rsqr_0_uniq; rewrite Rsqr_pow2; lra). rewrite E. ring.
Qed.

Lemma layer_move : r_layer a <= W_O a * R_cut a.
Proof.
  unfold r_layer. set (x := fun h c => move a h (fun i => value a h i c)).
  rewrite (norm_ext _ (image a x)) by (intros; unfold image; apply sum_ext; intros; apply move_projected).
  eapply Rle_trans; [apply spectral |]. apply Rmult_le_compat_l.
  - eapply Rle_trans; [| apply (below_spectral (fun _ _ => 0))]; [apply norm_nonneg |].
    unfold square. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; lra |]. intros h _.
    rewrite (sum_ext _ (fun _ => 0)) by (intros; ring). rewrite sum_const. ring.
  - apply sqrt_le_1_alt. apply sum_le. intros h _. rewrite <- norm_square. apply pow_incr.
    split; [apply norm_nonneg | exact (head_move h (value a h) (columns a))].
Qed.

Lemma layer_by_head : r_layer a <= S_cut a.
Proof.
  unfold r_layer. eapply Rle_trans; [right; apply norm_ext with (g := fun o => sum (fun h => 1 * move a h (fun i => projected a h i o)) (every a)) |].
  - intros o _. apply sum_ext. intros; ring.
  - eapply Rle_trans; [apply (norm_sum (fun _ => 1) (fun h o => move a h (fun i => projected a h i o))); intros; lra |].
    apply sum_le. intros h _. rewrite Rmult_1_l. apply head_move.
Qed.

(** The first head's row in the same terms. *)
Lemma row_weights : forall f l, sum f (map (fun i => Row.Key (score a 0 i) (value a 0 i (here a)) 0 1) l)
  = sum (fun i => f (Row.Key (score a 0 i) (value a 0 i (here a)) 0 1)) l.
Proof. intros f l. apply sum_map. Qed.

Lemma epsilon_is : epsilon a = leak a 0.
Proof.
  unfold epsilon. rewrite RowFacts.epsilon_is. unfold RowFacts.Z_B, RowFacts.Z_C, row_of. simpl. rewrite !row_weights.
  unfold leak, keys. rewrite sum_app. reflexivity.
Qed.

Lemma mean_of_row : forall l z w, 0 < z -> 0 < w ->
  sum (fun i => Row.boltzmann (row_of a) i / w / (z / w) * Row.value i) (map (fun i => Row.Key (score a 0 i) (value a 0 i (here a)) 0 1) l)
  = sum (fun i => weight a 0 i * value a 0 i (here a)) l / z.
Proof.
  intros l z w Z W. rewrite row_weights. unfold Rdiv at 4. rewrite <- sum_scale_r. apply sum_ext. intros i _.
  unfold Row.boltzmann, row_of, weight. simpl. field. lra.
Qed.

Lemma output_is : o_B a - o_plain a = epsilon a * (vbar_B a - vbar_C a).
Proof.
  set (f := fun i => value a 0 i (here a)). pose proof (inside_pos 0) as I. pose proof (outside_pos 0) as O.
  assert (B : sum (Row.boltzmann (row_of a)) (Row.block (row_of a)) = sum (weight a 0) (block a)) by (simpl; now rewrite row_weights).
  assert (C : sum (Row.boltzmann (row_of a)) (Row.others (row_of a)) = sum (weight a 0) (others a)) by (simpl; now rewrite row_weights).
  replace (vbar_B a) with (average a 0 (block a) f).
  - replace (vbar_C a) with (average a 0 (others a) f).
    + rewrite epsilon_is, <- move_is. unfold move. f_equal; [| f_equal].
      * unfold o_B, Row.o_B, Row.masked_mass. rewrite B. simpl Row.block. rewrite row_weights. unfold average.
        rewrite <- sum_over. apply sum_ext. intros i _. unfold Row.boltzmann, weight, f, Rdiv. simpl. ring.
      * unfold o_plain, Row.o_plain, Row.output, Row.mass, Row.keys. rewrite !sum_app, B, C. simpl Row.block. simpl Row.others.
        rewrite !row_weights. unfold average, keys. rewrite !sum_app.
        set (z := sum (weight a 0) (block a) + sum (weight a 0) (others a)). unfold Rdiv at 3. rewrite Rmult_plus_distr_r.
        f_equal; rewrite <- sum_scale_r; apply sum_ext; intros i _;
          unfold Row.boltzmann, weight, f, Rdiv; simpl; ring.
    + unfold vbar_C, Row.vbar_C. rewrite RowFacts.epsilon_is. unfold RowFacts.Z_B, RowFacts.Z_C. rewrite B, C. symmetry.
      erewrite sum_ext; [apply (mean_of_row (others a) (sum (weight a 0) (others a)) (sum (weight a 0) (block a) + sum (weight a 0) (others a))); lra |].
      intros i _. simpl. unfold Row.mass, Row.keys. rewrite sum_app, B, C. reflexivity.
  - unfold vbar_B, Row.vbar_B. rewrite RowFacts.F_is. unfold RowFacts.Z_B, RowFacts.Z_C. rewrite B, C. symmetry.
    erewrite sum_ext; [apply (mean_of_row (block a) (sum (weight a 0) (block a)) (sum (weight a 0) (block a) + sum (weight a 0) (others a))); lra |].
    intros i _. simpl. unfold Row.mass, Row.keys. rewrite sum_app, B, C. reflexivity.
Qed.
End Facts.

Theorem output : forall a, possible a -> o_B a - o_plain a = epsilon a * (vbar_B a - vbar_C a).
Proof. exact output_is. Qed.

Theorem head : forall a, possible a -> (r_cut a) ^ 2 <= (D_cut a) ^ 2 * (epsilon a) ^ 2.
Proof.
  intros a P. rewrite epsilon_is, <- Rpow_mult_distr, Rmult_comm by exact P. apply pow_incr.
  split; [apply norm_nonneg | exact (head_move a P 0 (value a 0) (columns a))].
Qed.

Theorem attained : forall a, possible a -> (r_far a) ^ 2 = (D_cut a) ^ 2 * (epsilon a) ^ 2.
Proof. intros a P. rewrite epsilon_is, far_move by exact P. ring. Qed.

Theorem layer : forall a, possible a -> (r_layer a) ^ 2 <= (R_cut a) ^ 2 * (W_O a) ^ 2.
Proof.
  intros a P. rewrite <- Rpow_mult_distr, Rmult_comm. apply pow_incr. split; [apply norm_nonneg | now apply layer_move].
Qed.

Theorem layer_by_heads : forall a, possible a -> (r_layer a) ^ 2 <= (S_cut a) ^ 2.
Proof. intros a P. apply pow_incr. split; [apply norm_nonneg | now apply layer_by_head]. Qed.
