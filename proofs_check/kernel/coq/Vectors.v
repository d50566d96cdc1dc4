(** Euclidean norms over a list of coordinates, and the inequalities of Cauchy-Schwarz and Minkowski. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

Definition norm {A : Type} (f : A -> R) (l : list A) : R := sqrt (sum (fun i => f i ^ 2) l).

Section Vectors.
Context {A : Type}.
Implicit Types (f g : A -> R) (l : list A).

Lemma norm_nonneg : forall f l, 0 <= norm f l.
Proof. intros f l. apply sqrt_pos. Qed.

Lemma squares_nonneg : forall f l, 0 <= sum (fun i => f i ^ 2) l.
Proof. intros f l. apply sum_nonneg. intros i _. apply pow2_ge_0. Qed.

Lemma norm_square : forall f l, norm f l ^ 2 = sum (fun i => f i ^ 2) l.
Proof. intros f l. unfold norm. rewrite <- Rsqr_pow2. apply Rsqr_sqrt, squares_nonneg. Qed.

(** A vector of norm 0 has only zeros. *)
Lemma norm_zero : forall f l, norm f l = 0 -> forall i, In i l -> f i = 0.
Proof.
  intros f l E. apply sqrt_eq_0 in E; [| apply squares_nonneg].
  induction l as [| j l I]; intros i J; [destruct J |]. simpl in E.
  pose proof (squares_nonneg f l). pose proof (pow2_ge_0 (f j)). simpl in *.
  destruct J as [-> | J]; [| apply I; trivial; lra].
  apply Rsqr_0_uniq. unfold Rsqr. lra.
Qed.

(** A factor comes out of a norm as its size. *)
Lemma norm_scale : forall c f l, norm (fun i => c * f i) l = Rabs c * norm f l.
Proof.
  intros c f l. unfold norm. rewrite (sum_ext _ (fun i => c ^ 2 * f i ^ 2)) by (intros; ring).
  rewrite sum_scale, sqrt_mult by (apply pow2_ge_0 || apply squares_nonneg). f_equal.
  rewrite <- Rsqr_pow2. apply sqrt_Rsqr_abs.
Qed.

(** Cauchy-Schwarz. *)
Lemma cauchy_schwarz : forall f g l, sum (fun i => f i * g i) l <= norm f l * norm g l.
Proof.
  intros f g l. set (a := sum (fun i => f i ^ 2) l). set (b := sum (fun i => g i ^ 2) l).
  set (c := sum (fun i => f i * g i) l).
  assert (S : 0 <= sum (fun i => (f i * b - c * g i) ^ 2) l) by (apply sum_nonneg; intros; apply pow2_ge_0).
  assert (E : sum (fun i => (f i * b - c * g i) ^ 2) l = b * (a * b - c ^ 2)).
  { rewrite (sum_ext _ (fun i => (b ^ 2 * f i ^ 2 - 2 * b * c * (f i * g i)) + c ^ 2 * g i ^ 2)) by (intros; ring).
    rewrite sum_plus, sum_minus, !sum_scale. fold a b c. ring. }
  rewrite E in S. pose proof (squares_nonneg g l) as B. fold b in B.
  apply Rsqr_incr_0_var; [| apply Rmult_le_pos; apply norm_nonneg].
  rewrite Rsqr_mult, !Rsqr_pow2, !norm_square. fold a b. destruct B as [B | B].
  - apply Rnot_lt_le. intros N. pose proof (Rmult_lt_0_compat b (c ^ 2 - a * b) B ltac:(lra)). lra.
  - assert (Z : c = 0).
    { unfold c. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros i I.
      rewrite (norm_zero g l) by (trivial; unfold norm; fold b; rewrite <- B; apply sqrt_0). ring. }
    rewrite Z, <- B. lra.
Qed.

(** Minkowski: the triangle inequality. *)
Lemma minkowski : forall f g l, norm (fun i => f i + g i) l <= norm f l + norm g l.
Proof.
  intros f g l. pose proof (norm_nonneg f l). pose proof (norm_nonneg g l).
  apply Rsqr_incr_0_var; [| lra]. rewrite !Rsqr_pow2, norm_square.
  rewrite (sum_ext _ (fun i => f i ^ 2 + (2 * (f i * g i) + g i ^ 2))) by (intros; ring).
  rewrite !sum_plus, sum_scale, <- !norm_square. pose proof (cauchy_schwarz f g l). lra.
Qed.
End Vectors.
