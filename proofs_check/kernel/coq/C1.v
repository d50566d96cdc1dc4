(** C1, stationarity: a point that the proximal step leaves alone has a zero block and a gradient no longer than the
    penalty, or a live block and a gradient exactly as long. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Weights.
Open Scope R_scope.

(** A vector of zeros has norm 0. *)
Lemma norm_of_zeros : forall (f : coordinate -> R) l, (forall i, In i l -> f i = 0) -> norm f l = 0.
Proof.
  intros f l Z. unfold norm. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const, Rmult_0_r; apply sqrt_0 |].
  intros i I. rewrite (Z i I). ring.
Qed.

(** A factor that is not negative comes out of a norm. *)
Lemma norm_scaled : forall c (f h : coordinate -> R) l, 0 <= c -> (forall i, In i l -> f i ^ 2 = (c * h i) ^ 2) -> norm f l = c * norm h l.
Proof.
  intros c f h l C E. unfold norm. rewrite (sum_ext _ (fun i => c ^ 2 * h i ^ 2)).
  - rewrite sum_scale, sqrt_mult by (apply pow2_ge_0 || apply squares_nonneg). now rewrite sqrt_pow2.
  - intros i I. rewrite E by exact I. ring.
Qed.

Section Facts.
Variable a : weights.
Hypothesis P : possible a.

Definition length : R := norm (stepped a) (coordinates a).

(** A short step is cut to nothing, a long one keeps a positive share. *)
Lemma kept_short : 0 < length <= rate a * lambda_g a -> kept a = 0.
Proof.
  intros L. unfold kept. fold length. apply Rmax_left.
  assert (1 <= rate a * lambda_g a / length); [| lra].
  apply (Rmult_le_reg_r length); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma kept_long : rate a * lambda_g a < length -> kept a = 1 - rate a * lambda_g a / length /\ 0 < kept a.
Proof.
  destruct P as [G R]. assert (0 < rate a * lambda_g a) by now apply Rmult_lt_0_compat. intros L.
  assert (K : 0 < 1 - rate a * lambda_g a / length).
  { replace (1 - rate a * lambda_g a / length) with ((length - rate a * lambda_g a) / length) by (field; lra).
    apply Rdiv_lt_0_compat; lra. }
  unfold kept. fold length. rewrite Rmax_right; lra.
Qed.

(** With zero weights the step is the gradient, scaled. *)
Lemma length_of_zero : w a = 0 -> length = rate a * g a.
Proof.
  intros Z. destruct P as [_ R]. apply norm_scaled; [lra |]. intros i I. unfold stepped.
  rewrite (norm_zero _ _ Z i I). ring.
Qed.

(** The two ways to be stationary. *)
Lemma stationary : r_g a = 0 -> (w a = 0 /\ g a <= lambda_g a) \/ (0 < w a /\ g a = lambda_g a).
Proof.
  intros S. destruct P as [G R]. pose proof (Rmult_lt_0_compat _ _ R G) as T.
  pose proof (norm_zero _ _ S) as M. cbv beta in M. pose proof (norm_nonneg (stepped a) (coordinates a)) as N. fold length in N.
  destruct (Rle_lt_dec length (rate a * lambda_g a)) as [L | L].
  - left. assert (Z : w a = 0).
    { apply norm_of_zeros. intros i I. pose proof (M i I) as E. unfold moved in E.
      destruct (Rle_lt_dec length 0) as [O | O].
      - assert (stepped a i = 0) by (apply (norm_zero (stepped a) (coordinates a)); trivial; fold length; lra).
        rewrite H in E. lra.
      - rewrite kept_short in E; lra. }
    split; [exact Z |]. rewrite length_of_zero in L by exact Z. apply (Rmult_le_reg_l (rate a)); lra.
  - right. destruct (kept_long L) as [K Q]. split.
    + unfold w. rewrite (norm_scaled (kept a) weight (stepped a)).
      * apply Rmult_lt_0_compat; [exact Q | fold length; lra].
      * lra.
      * intros i I. pose proof (M i I) as E. unfold moved in E. f_equal. lra.
    + apply (Rmult_eq_reg_l (rate a)); [| lra].
      replace (rate a * lambda_g a) with (rate a * lambda_g a / length * length) by (field; lra).
      unfold g. rewrite <- (norm_scaled (rate a) (fun i => rate a * gradient i)) by (lra || reflexivity).
      apply norm_scaled; [left; apply Rdiv_lt_0_compat; lra |].
      intros i I. pose proof (M i I) as E. unfold moved in E. rewrite K in E.
      replace (rate a * gradient i) with (- (rate a * lambda_g a / length * stepped a i))
        by (unfold stepped in *; lra). ring.
Qed.
End Facts.

Theorem small_gradient : forall a, possible a -> r_g a = 0 /\ g a < lambda_g a -> w a = 0.
Proof. intros a P [S L]. destruct (stationary a P S) as [[Z _] | [_ E]]; [exact Z | lra]. Qed.

Theorem live_block : forall a, possible a -> r_g a = 0 /\ w a > 0 -> g a = lambda_g a.
Proof. intros a P [S L]. destruct (stationary a P S) as [[Z _] | [_ E]]; [lra | exact E]. Qed.

Theorem zero_block : forall a, possible a -> r_g a = 0 /\ w a = 0 -> g a <= lambda_g a.
Proof. intros a P [S L]. destruct (stationary a P S) as [[_ E] | [Z _]]; [exact E | lra]. Qed.

Theorem both_at_equality : forall a, possible a -> w a = 0 /\ g a <= lambda_g a -> r_g a = 0.
Proof.
  intros a P [Z L]. destruct P as [G R]. apply norm_of_zeros. intros i I. unfold moved.
  rewrite (norm_zero _ _ Z i I). pose proof (length_of_zero a (conj G R) Z) as E.
  destruct (Rle_lt_dec (length a) 0) as [O | O].
  - rewrite (norm_zero (stepped a) (coordinates a)); [ring | | exact I].
    pose proof (norm_nonneg (stepped a) (coordinates a)). unfold length in O. lra.
  - rewrite kept_short; [ring |]. split; [exact O |]. rewrite E. apply Rmult_le_compat_l; lra.
Qed.
