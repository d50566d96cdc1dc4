(** A layer's cost less its price is least where the slope is the price, or at the end that the slope calls for. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Priced.
Import ListNotations.
Open Scope R_scope.

(** One layer: weight [w], leak [e], price [v]. *)
Section Layer.
Variables w e v : R.
Hypothesis W : 0 < w.
Hypothesis E : 0 < e < 1.
Hypothesis V : 0 < v.

Lemma room : forall x, x <= 1 -> 0 < 1 - e * x.
Proof. intros x X. pose proof (Rmult_le_pos e (1 - x)). lra. Qed.

Lemma gained_is : forall x, x <= 1 -> gained x e = (1 - e) * e * x / (1 - e * x).
Proof. intros x X. unfold gained. pose proof (room x X). field. lra. Qed.

(** The cost exceeds its tangent by a multiple of the squared difference of the dials. *)
Lemma above_tangent : forall x y, x <= 1 -> y <= 1 -> gained y e - gained x e
  = (1 - e) * e / (1 - e * x) ^ 2 * (y - x) + e ^ 2 * (1 - e) * (y - x) ^ 2 / ((1 - e * y) * (1 - e * x) ^ 2).
Proof.
  intros x y X Y. rewrite !gained_is by trivial. pose proof (room x X). pose proof (room y Y). field. lra.
Qed.

Lemma bend_pos : forall x y, x <= 1 -> y <= 1 -> y <> x ->
  0 < e ^ 2 * (1 - e) * (y - x) ^ 2 / ((1 - e * y) * (1 - e * x) ^ 2).
Proof.
  intros x y X Y N. pose proof (room x X). pose proof (room y Y). apply Rdiv_lt_0_compat.
  - apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; [apply pow_lt |]; lra |].
    assert (y - x <> 0) by lra. rewrite <- Rsqr_pow2. now apply Rsqr_pos_lt.
  - apply Rmult_lt_0_compat; [| apply pow_lt]; lra.
Qed.

Lemma gained_rises : forall x y, x <= y -> y <= 1 -> gained x e <= gained y e.
Proof.
  intros x y L Y. destruct (Req_dec y x) as [-> | N]; [lra |]. pose proof (above_tangent x y ltac:(lra) Y).
  pose proof (bend_pos x y ltac:(lra) Y N). pose proof (room x ltac:(lra)).
  assert (0 <= (1 - e) * e / (1 - e * x) ^ 2 * (y - x)); [| lra].
  apply Rmult_le_pos; [| lra]. left. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | now apply pow_lt].
Qed.

Lemma gained_0 : gained 0 e = 0.
Proof. rewrite gained_is by lra. field. Qed.

(** The root of the slope at dial 0 over the price. *)
Definition r : R := sqrt w * sqrt e * sqrt (1 - e) / sqrt v.

Lemma r_pos : 0 < r.
Proof. apply Rdiv_lt_0_compat; repeat apply Rmult_lt_0_compat; apply sqrt_lt_R0; lra. Qed.

Lemma r_square : v * (r * r) = w * ((1 - e) * e).
Proof.
  unfold r. pose proof (sqrt_lt_R0 v V) as S.
  replace (v * (sqrt w * sqrt e * sqrt (1 - e) / sqrt v * (sqrt w * sqrt e * sqrt (1 - e) / sqrt v)))
    with (v / (sqrt v * sqrt v) * (sqrt w * sqrt w) * (sqrt e * sqrt e) * (sqrt (1 - e) * sqrt (1 - e))) by (field; lra).
  rewrite !sqrt_sqrt by lra. field. lra.
Qed.

Definition best : R := Rmax 0 (Rmin 1 ((- r + 1) / e)).

Lemma best_cases : (1 <= r /\ best = 0) \/ (r <= 1 - e /\ best = 1) \/ (1 - e < r < 1 /\ 0 < best < 1 /\ 1 - e * best = r).
Proof.
  pose proof r_pos. unfold best. destruct (Rle_dec 1 r) as [A | A]; [| destruct (Rle_dec r (1 - e)) as [B | B]].
  - left. split; [exact A |]. assert (X : (- r + 1) / e <= 0).
    { apply (Rmult_le_reg_r e); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    rewrite Rmin_right, Rmax_left; lra.
  - right. left. split; [exact B |]. assert (X : 1 <= (- r + 1) / e).
    { apply (Rmult_le_reg_r e); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    rewrite Rmin_left, Rmax_right; lra.
  - right. right. split; [lra |]. set (x := (- r + 1) / e). assert (Q : e * x = 1 - r) by (unfold x; field; lra).
    assert (0 < x < 1).
    { split; apply (Rmult_lt_reg_l e); lra. }
    rewrite Rmin_right, Rmax_right by lra. split; [assumption | lra].
Qed.

Lemma best_inside : 0 <= best <= 1.
Proof. destruct best_cases as [[_ ->] | [[_ ->] | (_ & B & _)]]; lra. Qed.

(** There the slope is the price, or the dial is at the end that it calls for. *)
Lemma best_slope : forall y, 0 <= y <= 1 -> v * (y - best) <= w * ((1 - e) * e / (1 - e * best) ^ 2 * (y - best)).
Proof.
  intros y Y. pose proof r_square as S. pose proof r_pos.
  replace (w * ((1 - e) * e / (1 - e * best) ^ 2 * (y - best))) with (v * (r * r) / (1 - e * best) ^ 2 * (y - best))
    by (rewrite S; unfold Rdiv; ring).
  destruct best_cases as [[A B] | [[A B] | (A & B & C)]]; rewrite ?B.
  - replace (v * (r * r) / (1 - e * 0) ^ 2) with (v * (r * r)) by (field; lra).
    apply Rmult_le_compat_r; [lra |]. pose proof (Rmult_le_compat 1 r 1 r). pose proof (Rmult_le_compat_l v 1 (r * r)). lra.
  - assert (K : v * (r * r) / (1 - e * 1) ^ 2 <= v).
    { apply (Rmult_le_reg_r ((1 - e) ^ 2)); [apply pow_lt; lra |].
      replace (v * (r * r) / (1 - e * 1) ^ 2 * (1 - e) ^ 2) with (v * (r * r)) by (field; lra).
      apply Rmult_le_compat_l; [lra |]. simpl. rewrite Rmult_1_r. apply Rmult_le_compat; lra. }
    pose proof (Rmult_le_compat_r (1 - y) _ _ ltac:(lra) K). lra.
  - rewrite C. right. field. lra.
Qed.

Lemma best_least : forall y, 0 <= y <= 1 -> w * gained best e - v * best <= w * gained y e - v * y.
Proof.
  intros y Y. pose proof best_inside. destruct (Req_dec y best) as [-> | N]; [lra |].
  pose proof (above_tangent best y ltac:(lra) ltac:(lra)). pose proof (bend_pos best y ltac:(lra) ltac:(lra) N) as B.
  apply (Rmult_lt_compat_l w) in B; [| exact W]. pose proof (best_slope y Y).
  apply (f_equal (Rmult w)) in H0. lra.
Qed.

Lemma best_strict : forall y, 0 <= y <= 1 -> y <> best -> w * gained best e - v * best < w * gained y e - v * y.
Proof.
  intros y Y N. pose proof best_inside.
  pose proof (above_tangent best y ltac:(lra) ltac:(lra)). pose proof (bend_pos best y ltac:(lra) ltac:(lra) N) as B.
  apply (Rmult_lt_compat_l w) in B; [| exact W]. pose proof (best_slope y Y).
  apply (f_equal (Rmult w)) in H0. lra.
Qed.

Lemma priced_best : priced v w e = best.
Proof.
  unfold priced. rewrite (is_glb_Rbar_unique _ (Finite best)); [reflexivity |]. split.
  - intros x [X M]. simpl. destruct (Req_dec x best) as [-> | N]; [lra |].
    pose proof (best_strict x X N). pose proof (M best best_inside). lra.
  - intros y Y. apply Y. split; [apply best_inside | intros z Z; now apply best_least].
Qed.
End Layer.

(** The closed form, for one layer. *)
Lemma priced_is : forall w e v, 0 < w -> 0 < e < 1 -> 0 < v ->
  priced v w e = Rmax 0 (Rmin 1 ((- (sqrt w * sqrt e * sqrt (1 - e) / sqrt v) + 1) / e)).
Proof. intros w e v W E V. rewrite priced_best by trivial. reflexivity. Qed.

Section Facts.
Variable a : priced_layers.
Hypothesis P : possible a.
Hypothesis T : L a >= 2.
Hypothesis Q : positive_weights a.

Lemma leak_inside : forall i, 0 < leak a i < 1.
Proof. apply P. Qed.

Lemma other_inside : forall i, 0 <= other a i <= 1.
Proof. apply P. Qed.

Lemma each_not_empty : each a <> [].
Proof. destruct P as (H & _). unfold each. destruct (layers a); [lia | discriminate]. Qed.

Lemma L_is : count (each a) = L a.
Proof. unfold count, each. now rewrite seq_length. Qed.

Section Price.
Variable v : R.
Hypothesis V : 0 < v.

Lemma dial_is : forall i, dial_at a v i = best (weight a i) (leak a i) v.
Proof. intros i. apply priced_best; trivial. apply leak_inside. Qed.

Lemma dial_inside : forall i, 0 <= dial_at a v i <= 1.
Proof. intros i. rewrite dial_is. apply best_inside; trivial. apply leak_inside. Qed.

Lemma dial_least : forall i y, 0 <= y <= 1 ->
  weight a i * gained (dial_at a v i) (leak a i) - v * dial_at a v i <= weight a i * gained y (leak a i) - v * y.
Proof. intros i y Y. rewrite dial_is. apply best_least; trivial. apply leak_inside. Qed.

Lemma all_least : forall d, (forall i, 0 <= d i <= 1) ->
  cost a (dial_at a v) - v * sum (dial_at a v) (each a) <= cost a d - v * sum d (each a).
Proof.
  intros d D. unfold cost. rewrite <- !sum_scale, <- !sum_minus. apply sum_le. intros i _. now apply dial_least.
Qed.

(** A sum of numbers of one sign is 0 only if each is. *)
Lemma sum_zero : forall (f : nat -> R) l, (forall i, In i l -> 0 <= f i) -> sum f l = 0 -> forall i, In i l -> f i = 0.
Proof.
  intros f l N Z i I. apply in_split in I as (u & w & ->). rewrite sum_app in Z. simpl in Z.
  assert (0 <= sum f u) by (apply sum_nonneg; intros; apply N, in_or_app; auto).
  assert (0 <= sum f w) by (apply sum_nonneg; intros; apply N, in_or_app; right; now right).
  pose proof (N i (in_elt i u w)). lra.
Qed.

Lemma nothing_iff : sum (dial_at a v) (each a) = 0 <-> v <= nu_0 a.
Proof.
  assert (K : forall i, dial_at a v i = 0 <-> v <= slope_of a 0 i).
  { intros i. rewrite dial_is. pose proof (leak_inside i) as E. pose proof (r_square (weight a i) (leak a i) v (Q i) E V) as S.
    pose proof (r_pos (weight a i) (leak a i) v (Q i) E V) as R. set (r := r (weight a i) (leak a i) v) in *.
    replace (slope_of a 0 i) with (v * (r * r)) by (unfold slope_of; rewrite S; field; lra).
    destruct (best_cases (weight a i) (leak a i) v (Q i) E V) as [[A ->] | [[A ->] | (A & B & _)]]; fold r in A.
    - split; intros _; [| reflexivity]. pose proof (Rmult_le_compat 1 r 1 r). pose proof (Rmult_le_compat_l v 1 (r * r)). lra.
    - split; [lra |]. intros L. pose proof (Rmult_le_compat_l r r 1 ltac:(lra) ltac:(lra)). pose proof (Rmult_lt_compat_l v (r * r) 1 V). lra.
    - split; [lra |]. intros L. pose proof (Rmult_lt_compat_l r r 1 R ltac:(lra)). pose proof (Rmult_lt_compat_l v (r * r) 1 V). lra. }
  split; intros H.
  - destruct (least_attained (slope_of a 0) (each a) each_not_empty) as (i & I & S). unfold nu_0. rewrite S. apply K.
    apply (sum_zero (dial_at a v) (each a)); trivial. intros; apply dial_inside.
  - rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros i I. apply K. eapply Rle_trans; [exact H |].
    now apply above_least.
Qed.

Lemma everything_iff : sum (dial_at a v) (each a) = L a <-> v >= nu_1 a.
Proof.
  assert (K : forall i, dial_at a v i = 1 <-> slope_of a 1 i <= v).
  { intros i. rewrite dial_is. pose proof (leak_inside i) as E. pose proof (r_square (weight a i) (leak a i) v (Q i) E V) as S.
    pose proof (r_pos (weight a i) (leak a i) v (Q i) E V) as R. set (r := r (weight a i) (leak a i) v) in *. set (e := leak a i) in *.
    assert (M : slope_of a 1 i <= v <-> r * r <= (1 - e) * (1 - e)).
    { replace (slope_of a 1 i) with (v * (r * r) / ((1 - e) * (1 - e)))
        by (unfold slope_of; fold e; rewrite S; field; lra).
      pose proof (Rmult_lt_0_compat (1 - e) (1 - e)). split; intros L.
      - apply (Rmult_le_compat_r ((1 - e) * (1 - e))) in L; [| lra]. unfold Rdiv in L. rewrite Rmult_assoc, Rinv_l, Rmult_1_r in L by lra.
        now apply Rmult_le_reg_l in L.
      - apply (Rmult_le_reg_r ((1 - e) * (1 - e))); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
        apply Rmult_le_compat_l; lra. }
    rewrite M. destruct (best_cases (weight a i) e v (Q i) E V) as [[A ->] | [[A ->] | (A & B & _)]]; fold r e in A.
    - split; [lra |]. intros L. pose proof (Rmult_le_compat 1 r 1 r). pose proof (Rmult_lt_compat_l (1 - e) (1 - e) 1). lra.
    - split; intros _; [| reflexivity]. apply Rmult_le_compat; lra.
    - split; [lra |]. intros L. pose proof (Rmult_gt_0_lt_compat (1 - e) r (1 - e) r). lra. }
  split; intros H.
  - apply Rle_ge. destruct (largest_attained (slope_of a 1) (each a) each_not_empty) as (i & I & S). unfold nu_1. rewrite S. apply K.
    assert (Z : 1 - dial_at a v i = 0); [| lra].
    apply (sum_zero (fun i => 1 - dial_at a v i) (each a)); trivial; [intros j _; pose proof (dial_inside j); lra |].
    rewrite sum_minus, sum_const, L_is. lra.
  - rewrite (sum_ext _ (fun _ => 1)); [rewrite sum_const, L_is; ring |]. intros i I. apply K. apply Rge_le in H.
    eapply Rle_trans; [| exact H]. now apply below_largest.
Qed.
End Price.
End Facts.
