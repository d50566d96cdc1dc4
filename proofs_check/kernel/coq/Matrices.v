(** Matrices over lists of rows and columns: the spectral norm, the Frobenius norm, and the Jacobian of softmax. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors.
Import ListNotations.
Open Scope R_scope.

(** Norms that agree entry by entry, and norms of larger entries. *)
Lemma norm_ext : forall {A : Type} (f g : A -> R) l, (forall i, In i l -> f i = g i) -> norm f l = norm g l.
Proof. intros A f g l E. unfold norm. f_equal. apply sum_ext. intros i I. now rewrite E. Qed.

Lemma norm_le : forall {A : Type} (f g : A -> R) l, (forall i, In i l -> f i ^ 2 <= g i ^ 2) -> norm f l <= norm g l.
Proof. intros A f g l L. unfold norm. apply sqrt_le_1_alt. now apply sum_le. Qed.

Lemma norm_zeros : forall {A : Type} (l : list A), norm (fun _ => 0) l = 0.
Proof. intros A l. unfold norm. rewrite (sum_ext _ (fun _ => 0)) by (intros; ring). rewrite sum_const, Rmult_0_r. apply sqrt_0. Qed.

Lemma norm_by_square : forall {A : Type} (f : A -> R) l c, 0 <= c -> sum (fun i => f i ^ 2) l <= c ^ 2 -> norm f l <= c.
Proof. intros A f l c C L. rewrite <- (sqrt_pow2 c) by exact C. now apply sqrt_le_1_alt. Qed.

(** No term of a sum of terms that are not negative exceeds it. *)
Lemma term_below_sum : forall {A : Type} (f : A -> R) l i, (forall j, In j l -> 0 <= f j) -> In i l -> f i <= sum f l.
Proof.
  intros A f l i N I. apply in_split in I as (l1 & l2 & ->). rewrite sum_app. simpl.
  assert (0 <= sum f l1) by (apply sum_nonneg; intros; apply N, in_or_app; now left).
  assert (0 <= sum f l2) by (apply sum_nonneg; intros; apply N, in_or_app; right; now right). lra.
Qed.

Section Matrices.
Context {A B : Type}.
Implicit Types (M : A -> B -> R) (rows : list A) (cols : list B).

Definition frobenius M rows cols : R := sqrt (sum (fun i => sum (fun j => M i j ^ 2) cols) rows).
(** The matrix times a vector, and a vector times the matrix. *)
Definition image M cols (y : B -> R) (i : A) : R := sum (fun j => M i j * y j) cols.
Definition image_t M rows (z : A -> R) (j : B) : R := sum (fun i => M i j * z i) rows.

Lemma frobenius_square : forall M rows cols, frobenius M rows cols ^ 2 = sum (fun i => norm (M i) cols ^ 2) rows.
Proof.
  intros M rows cols. unfold frobenius. rewrite <- Rsqr_pow2, Rsqr_sqrt.
  - apply sum_ext. intros i _. now rewrite norm_square.
  - apply sum_nonneg. intros i _. apply squares_nonneg.
Qed.

Lemma frobenius_nonneg : forall M rows cols, 0 <= frobenius M rows cols.
Proof. intros. apply sqrt_pos. Qed.

Lemma frobenius_by_square : forall M rows cols c, 0 <= c -> sum (fun i => norm (M i) cols ^ 2) rows <= c ^ 2 ->
  frobenius M rows cols <= c.
Proof.
  intros M rows cols c C L. rewrite <- frobenius_square in L. apply Rsqr_incr_0_var; [| exact C]. now rewrite !Rsqr_pow2.
Qed.

Lemma frobenius_ext : forall M M' rows cols, (forall i j, In i rows -> In j cols -> M i j = M' i j) ->
  frobenius M rows cols = frobenius M' rows cols.
Proof.
  intros M M' rows cols E. unfold frobenius. f_equal. apply sum_ext. intros i I. apply sum_ext. intros j J. now rewrite E.
Qed.

Lemma frobenius_scale : forall c M rows cols, 0 <= c ->
  frobenius (fun i j => c * M i j) rows cols = c * frobenius M rows cols.
Proof.
  intros c M rows cols C. unfold frobenius.
  rewrite (sum_ext _ (fun i => c ^ 2 * sum (fun j => M i j ^ 2) cols))
    by (intros; rewrite <- sum_scale; apply sum_ext; intros; ring).
  rewrite sum_scale, sqrt_mult, sqrt_pow2; trivial; [apply pow2_ge_0 |].
  apply sum_nonneg. intros. apply sum_nonneg. intros. apply pow2_ge_0.
Qed.

(** No vector is stretched by more than the Frobenius norm. *)
Lemma image_below_frobenius : forall M rows cols y, norm (image M cols y) rows <= frobenius M rows cols * norm y cols.
Proof.
  intros M rows cols y. pose proof (frobenius_nonneg M rows cols) as F. pose proof (norm_nonneg y cols) as N.
  apply norm_by_square; [now apply Rmult_le_pos |].
  rewrite Rpow_mult_distr, frobenius_square, <- sum_scale_r. apply sum_le. intros i _.
  pose proof (cauchy_schwarz (M i) y cols) as U. pose proof (cauchy_schwarz (M i) (fun j => - y j) cols) as V.
  replace (norm (fun j => - y j) cols) with (norm y cols) in V
    by (unfold norm; f_equal; apply sum_ext; intros; ring).
  rewrite (sum_ext _ (fun j => -1 * (M i j * y j))), sum_scale in V by (intros; ring).
  rewrite <- Rpow_mult_distr. fold (image M cols y i) in U, V. apply pow_maj_Rabs, Rabs_le. lra.
Qed.

(** The spectral norm: the least upper bound of what vectors no longer than 1 are stretched to. *)
Definition stretched M rows cols (r : R) : Prop := exists y, norm y cols <= 1 /\ r = norm (image M cols y) rows.

Lemma stretched_bounded : forall M rows cols, bound (stretched M rows cols).
Proof.
  intros M rows cols. exists (frobenius M rows cols). intros r (y & Y & ->).
  pose proof (image_below_frobenius M rows cols y) as L.
  pose proof (Rmult_le_compat_l _ _ _ (frobenius_nonneg M rows cols) Y). lra.
Qed.

Lemma stretched_zero : forall M rows cols, stretched M rows cols 0.
Proof.
  intros M rows cols. exists (fun _ => 0). rewrite norm_zeros. split; [lra |].
  rewrite (norm_ext _ (fun _ => 0)); [now rewrite norm_zeros |]. intros i _. unfold image.
  rewrite (sum_ext _ (fun _ => 0)) by (intros; ring). rewrite sum_const. ring.
Qed.

Definition spectral M rows cols : R :=
  proj1_sig (completeness _ (stretched_bounded M rows cols) (ex_intro _ 0 (stretched_zero M rows cols))).

Lemma spectral_is_lub : forall M rows cols, is_lub (stretched M rows cols) (spectral M rows cols).
Proof. intros M rows cols. unfold spectral. now destruct completeness. Qed.

Lemma spectral_nonneg : forall M rows cols, 0 <= spectral M rows cols.
Proof. intros M rows cols. apply spectral_is_lub, stretched_zero. Qed.

(** No vector is stretched by more than the spectral norm. *)
Lemma image_below : forall M rows cols y, norm (image M cols y) rows <= spectral M rows cols * norm y cols.
Proof.
  intros M rows cols y. destruct (norm_nonneg y cols) as [N | Z].
  - set (r := norm y cols) in *.
    assert (U : norm (image M cols (fun j => / r * y j)) rows <= spectral M rows cols).
    { apply spectral_is_lub. exists (fun j => / r * y j). split; [| reflexivity].
      rewrite norm_scale, Rabs_pos_eq by (left; now apply Rinv_0_lt_compat). fold r. rewrite Rinv_l; lra. }
    rewrite (norm_ext _ (fun i => / r * image M cols y i)) in U
      by (intros; unfold image; rewrite <- sum_scale; apply sum_ext; intros; ring).
    rewrite norm_scale, Rabs_pos_eq in U by (left; now apply Rinv_0_lt_compat).
    apply (Rmult_le_compat_r r) in U; [| lra]. replace (/ r * norm (image M cols y) rows * r) with (norm (image M cols y) rows) in U
      by (field; lra). exact U.
  - rewrite <- Z, Rmult_0_r. pose proof (image_below_frobenius M rows cols y) as L. rewrite <- Z in L. lra.
Qed.

(** The same for the transposed matrix. *)
Lemma image_t_below : forall M rows cols z, norm (image_t M rows z) cols <= spectral M rows cols * norm z rows.
Proof.
  intros M rows cols z. set (y := image_t M rows z). pose proof (norm_nonneg y cols) as [N | N].
  - apply (Rmult_le_reg_r (norm y cols)); [exact N |].
    replace (norm y cols * norm y cols) with (sum (fun i => image M cols y i * z i) rows).
    + eapply Rle_trans; [apply cauchy_schwarz |]. pose proof (image_below M rows cols y) as U.
      apply (Rmult_le_compat_r (norm z rows)) in U; [| apply norm_nonneg]. lra.
    + replace (norm y cols * norm y cols) with (norm y cols ^ 2) by ring. rewrite norm_square. unfold image.
      rewrite (sum_ext _ (fun i => sum (fun j => M i j * y j * z i) cols)) by (intros; now rewrite sum_scale_r).
      rewrite sum_swap. apply sum_ext. intros j _.
      rewrite (sum_ext _ (fun i => y j * (M i j * z i))), sum_scale by (intros; ring). fold (image_t M rows z j) (y j). ring.
  - rewrite <- N. apply Rmult_le_pos; [apply spectral_nonneg | apply norm_nonneg].
Qed.

(** A matrix of one column has that column's norm. *)
Lemma spectral_column : forall M rows j, spectral M rows [j] = norm (fun i => M i j) rows.
Proof.
  intros M rows j. assert (I : forall y, norm (image M [j] y) rows = Rabs (y j) * norm (fun i => M i j) rows).
  { intros y. rewrite <- norm_scale. apply norm_ext. intros i _. unfold image. simpl. ring. }
  assert (O : forall y : B -> R, norm y [j] = Rabs (y j)).
  { intros y. unfold norm. simpl. rewrite Rmult_1_r, Rplus_0_r. apply sqrt_Rsqr_abs. }
  apply Rle_antisym.
  - apply spectral_is_lub. intros r (y & Y & ->). rewrite I. rewrite O in Y.
    pose proof (Rmult_le_compat_r _ _ _ (norm_nonneg (fun i => M i j) rows) Y). lra.
  - apply spectral_is_lub. exists (fun _ => 1). rewrite O, I, Rabs_R1. split; [lra | ring].
Qed.

(** And a matrix of none has the norm 0. *)
Lemma spectral_none : forall M rows, spectral M rows [] = 0.
Proof.
  intros M rows. apply Rle_antisym; [| apply spectral_nonneg]. apply spectral_is_lub. intros r (y & _ & ->).
  apply Req_le. unfold image. simpl. apply norm_zeros.
Qed.
End Matrices.

Lemma frobenius_transposed : forall {A B : Type} (M : A -> B -> R) rows cols,
  frobenius M rows cols = frobenius (fun j i => M i j) cols rows.
Proof. intros A B M rows cols. unfold frobenius. f_equal. apply sum_swap. Qed.

(** The Frobenius norm of a product: of [X^T N], and of a matrix whose rows are images of others. *)
Lemma frobenius_product : forall {A B C : Type} (X : A -> B -> R) (N : A -> C -> R) rows cols others,
  frobenius (fun f c => sum (fun i => X i f * N i c) rows) cols others <= spectral X rows cols * frobenius N rows others.
Proof.
  intros A B C X N rows cols others.
  apply frobenius_by_square; [apply Rmult_le_pos; [apply spectral_nonneg | apply frobenius_nonneg] |].
  rewrite Rpow_mult_distr, frobenius_square.
  rewrite (sum_ext _ (fun f => sum (fun c => sum (fun i => X i f * N i c) rows ^ 2) others)) by (intros; apply norm_square).
  rewrite sum_swap, (sum_ext (fun i => norm (N i) others ^ 2) (fun i => sum (fun c => N i c ^ 2) others)) by (intros; apply norm_square).
  rewrite (sum_swap (fun i c => N i c ^ 2)), <- sum_scale. apply sum_le. intros c _. rewrite <- !norm_square.
  rewrite <- Rpow_mult_distr. apply pow_incr. split; [apply norm_nonneg |]. apply (image_t_below X rows cols (fun i => N i c)).
Qed.

(** A row of softmax, whose masses [a] are not negative and add up to 1. *)
Section Jacobian.
Context {A : Type}.
Variables (a : A -> R) (l : list A).
Hypothesis masses : forall i, In i l -> 0 <= a i.
Hypothesis one : sum a l = 1.

Definition average (y : A -> R) : R := sum (fun i => a i * y i) l.
(** [diag(a) - a a^T] times a vector. *)
Definition jacobian (y : A -> R) (i : A) : R := a i * (y i - average y).
Definition covariance (y z : A -> R) : R := sum (fun i => z i * jacobian y i) l.

Lemma jacobian_sums_to_0 : forall y, sum (jacobian y) l = 0.
Proof.
  intros y. unfold jacobian. rewrite (sum_ext _ (fun i => a i * y i - a i * average y)) by (intros; ring).
  rewrite sum_minus, sum_scale_r, one. fold (average y). ring.
Qed.

(** A constant added to the vector changes nothing. *)
Lemma jacobian_shift : forall y c i, jacobian (fun j => y j - c) i = jacobian y i.
Proof.
  intros y c i. unfold jacobian. replace (average (fun j => y j - c)) with (average y - c); [ring |].
  unfold average. rewrite (sum_ext (fun i => a i * (y i - c)) (fun i => a i * y i - a i * c)) by (intros; ring).
  rewrite sum_minus, sum_scale_r, one. ring.
Qed.

Lemma covariance_is : forall y z, covariance y z = sum (fun i => a i * ((y i - average y) * (z i - average z))) l.
Proof.
  intros y z. unfold covariance. pose proof (jacobian_sums_to_0 y) as Z.
  replace (sum (fun i => z i * jacobian y i) l) with (sum (fun i => z i * jacobian y i) l - average z * sum (jacobian y) l)
    by (rewrite Z; ring).
  rewrite <- sum_scale, <- sum_minus. apply sum_ext. intros i _. unfold jacobian. ring.
Qed.

(** The inequality of Cauchy-Schwarz for covariances. *)
Lemma covariance_small : forall y z, covariance y z ^ 2 <= covariance y y * covariance z z.
Proof.
  intros y z. rewrite !covariance_is. set (f := fun i => sqrt (a i) * (y i - average y)). set (g := fun i => sqrt (a i) * (z i - average z)).
  assert (S : forall i, In i l -> sqrt (a i) * sqrt (a i) = a i) by (intros i I; now apply sqrt_sqrt, masses).
  rewrite (sum_ext (fun i => a i * ((y i - average y) * (z i - average z))) (fun i => f i * g i)), 
    (sum_ext (fun i => a i * ((y i - average y) * (y i - average y))) (fun i => f i ^ 2)),
    (sum_ext (fun i => a i * ((z i - average z) * (z i - average z))) (fun i => g i ^ 2))
    by (intros i I; unfold f, g; rewrite <- (S i I) at 1; ring).
  rewrite <- !norm_square, <- Rpow_mult_distr. apply pow_maj_Rabs, Rabs_le.
  pose proof (cauchy_schwarz f g l) as U. pose proof (cauchy_schwarz (fun i => -1 * f i) g l) as V.
  rewrite norm_scale, (Rabs_left (-1)), (sum_ext _ (fun i => -1 * (f i * g i))), sum_scale in V by (intros; lra). lra.
Qed.

(** A variance is at most twice the sum of [a (1 - a) y^2]. *)
Lemma variance_below : forall y, covariance y y <= sum (fun i => 2 * (a i * (1 - a i)) * y i ^ 2) l.
Proof.
  intros y. assert (E : covariance y y = sum (fun i => a i * y i ^ 2) l - average y ^ 2).
  { unfold covariance, jacobian. rewrite (sum_ext _ (fun i => a i * y i ^ 2 - a i * y i * average y)) by (intros; ring).
    rewrite sum_minus, sum_scale_r. fold (average y). ring. }
  assert (S : sum (fun i => a i * y i ^ 2) l + average y ^ 2 = sum (fun i => sum (fun j => a i * a j * (y i + y j) ^ 2 / 2) l) l).
  { rewrite (sum_ext (fun i => sum _ l) (fun i => a i * y i ^ 2 / 2 + a i * y i * average y + a i / 2 * sum (fun j => a j * y j ^ 2) l)).
    - rewrite !sum_plus, !sum_scale_r. fold (average y).
      rewrite (sum_ext (fun i => a i * y i ^ 2 / 2) (fun i => a i * y i ^ 2 * / 2)), (sum_ext (fun i => a i / 2) (fun i => a i * / 2))
        by reflexivity. rewrite !sum_scale_r, one. field.
    - intros i _. transitivity (sum (fun j => a i * y i ^ 2 / 2 * a j + a i * y i * (a j * y j) + a i / 2 * (a j * y j ^ 2)) l).
      + apply sum_ext. intros; field.
      + rewrite !sum_plus, !sum_scale, one. fold (average y). ring. }
  assert (L : sum (fun i => 2 * (a i ^ 2 * y i ^ 2)) l <= sum (fun i => sum (fun j => a i * a j * (y i + y j) ^ 2 / 2) l) l).
  { apply sum_le. intros i I. eapply Rle_trans; [| apply (term_below_sum _ l i)]; [| | exact I].
    - apply Req_le. field.
    - intros j J. pose proof (Rmult_le_pos _ _ (Rmult_le_pos _ _ (masses i I) (masses j J)) (pow2_ge_0 (y i + y j))). lra. }
  rewrite E, (sum_ext (fun i => 2 * (a i * (1 - a i)) * y i ^ 2) (fun i => 2 * (a i * y i ^ 2) - 2 * (a i ^ 2 * y i ^ 2)))
    by (intros; ring).
  rewrite sum_minus, sum_scale. lra.
Qed.

(** So the Jacobian stretches no vector by more than [2 a (1 - a)] at its largest. *)
Lemma jacobian_below : forall r y, (forall i, In i l -> 2 * (a i * (1 - a i)) <= r) ->
  norm (jacobian y) l <= r * norm y l.
Proof.
  intros r y R. assert (V : forall z, covariance z z <= r * norm z l ^ 2).
  { intros z. eapply Rle_trans; [apply variance_below |]. rewrite norm_square, <- sum_scale. apply sum_le. intros i I.
    apply Rmult_le_compat_r; [apply pow2_ge_0 | now apply R]. }
  assert (N : 0 <= r).
  { destruct l as [| i rest] eqn:E; [simpl in one; lra |]. eapply Rle_trans; [| apply (R i); now left].
    assert (0 <= a i) by (apply masses; now left). assert (a i <= 1).
    { rewrite <- one. apply term_below_sum; [exact masses | now left]. }
    pose proof (Rmult_le_pos (a i) (1 - a i) ltac:(lra) ltac:(lra)). lra. }
  set (w := jacobian y). pose proof (norm_nonneg w l) as [W | W].
  - assert (Q : covariance y w = norm w l ^ 2).
    { rewrite norm_square. unfold covariance. apply sum_ext. intros i _. fold w. ring. }
    pose proof (covariance_small y w) as C. rewrite Q in C.
    assert (P : 0 <= covariance w w).
    { rewrite covariance_is. apply sum_nonneg. intros i I. apply Rmult_le_pos; [now apply masses | apply Rle_0_sqr]. }
    assert (K : (norm w l ^ 2) ^ 2 <= r * norm y l ^ 2 * (r * norm w l ^ 2)).
    { eapply Rle_trans; [exact C |]. eapply Rle_trans; [apply Rmult_le_compat_r; [exact P | apply V] |].
      apply Rmult_le_compat_l; [apply Rmult_le_pos; [exact N | apply pow2_ge_0] | apply V]. }
    apply Rsqr_incr_0_var; [| apply Rmult_le_pos; [exact N | apply norm_nonneg]]. rewrite !Rsqr_pow2.
    apply (Rmult_le_reg_r (norm w l ^ 2)); [now apply pow_lt |].
    replace ((r * norm y l) ^ 2 * norm w l ^ 2) with (r * norm y l ^ 2 * (r * norm w l ^ 2)) by ring.
    replace (norm w l ^ 2 * norm w l ^ 2) with ((norm w l ^ 2) ^ 2) by ring. exact K.
  - rewrite <- W. apply Rmult_le_pos; [exact N | apply norm_nonneg].
Qed.

Lemma jacobian_half : forall y, norm (jacobian y) l <= / 2 * norm y l.
Proof. intros y. apply jacobian_below. intros i _. pose proof (pow2_ge_0 (a i - / 2)). lra. Qed.
End Jacobian.
