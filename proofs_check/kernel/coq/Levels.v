(** The least entropy given a range: moving one logit to an end of the range never helps, so two levels are the worst. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Lowest.
Import ListNotations.
Open Scope R_scope.

(** A function with a slope of one sign is monotone. *)
Lemma rises : forall (f s : R -> R) x y, x <= y -> (forall t, x <= t <= y -> is_derive f t (s t)) ->
  (forall t, x <= t <= y -> 0 <= s t) -> f x <= f y.
Proof.
  intros f s x y [L | ->] D S; [| lra].
  destruct (MVT_cor2 f s x y L (fun t T => proj1 (is_derive_Reals f t (s t)) (D t T))) as (c & E & C).
  pose proof (Rmult_le_pos _ (y - x) (S c ltac:(lra)) ltac:(lra)). lra.
Qed.

Lemma falls : forall (f s : R -> R) x y, x <= y -> (forall t, x <= t <= y -> is_derive f t (s t)) ->
  (forall t, x <= t <= y -> s t <= 0) -> f y <= f x.
Proof.
  intros f s x y [L | ->] D S; [| lra].
  destruct (MVT_cor2 f s x y L (fun t T => proj1 (is_derive_Reals f t (s t)) (D t T))) as (c & E & C).
  pose proof (Rmult_le_pos _ (y - x) (Ropp_0_ge_le_contravar _ (Rle_ge _ _ (S c ltac:(lra)))) ltac:(lra)). lra.
Qed.

(** Entropy as a function of one logit [t], the others contributing [z] to the exponentials and [n] to their mean. *)
Definition one_logit (z n t : R) : R := ln (exp t + z) - (t * exp t + n) / (exp t + z).

Lemma one_logit_slope : forall z n t, 0 <= z ->
  is_derive (one_logit z n) t (exp t * (n - t * z) / (exp t + z) ^ 2).
Proof.
  intros z n t Z. pose proof (exp_pos t). unfold one_logit. auto_derive; [repeat split; lra | field; lra].
Qed.

(** It is least at an end of any interval. *)
Lemma least_at_an_end : forall z n t r, 0 <= z -> 0 <= t <= r ->
  one_logit z n 0 <= one_logit z n t \/ one_logit z n r <= one_logit z n t.
Proof.
  intros z n t r Z T. assert (Q : forall s, 0 < (exp s + z) ^ 2) by (intros s; pose proof (exp_pos s); apply pow_lt; lra).
  destruct (Rle_lt_dec (t * z) n) as [L | L].
  - left. apply (rises _ (fun s => exp s * (n - s * z) / (exp s + z) ^ 2)); [lra | intros; now apply one_logit_slope |].
    intros s S. apply Rmult_le_pos; [| left; apply Rinv_0_lt_compat, Q].
    apply Rmult_le_pos; [left; apply exp_pos |]. pose proof (Rmult_le_compat_r z s t Z ltac:(lra)). lra.
  - right. apply (falls _ (fun s => exp s * (n - s * z) / (exp s + z) ^ 2)); [lra | intros; now apply one_logit_slope |].
    intros s S. pose proof (Rmult_le_compat_r z t s Z ltac:(lra)).
    assert (0 <= exp s * (s * z - n) / (exp s + z) ^ 2).
    { apply Rmult_le_pos; [| left; apply Rinv_0_lt_compat, Q]. apply Rmult_le_pos; [left; apply exp_pos | lra]. }
    unfold Rdiv in *. lra.
Qed.

(** Entropy of logits [x], with [top] more at [r] and [low] more at 0. *)
Definition entropy_of (r : R) (top low : nat) (x : list R) : R :=
  let total := INR top * exp r + INR low + sum exp x in
  ln total - (INR top * (r * exp r) + sum (fun t => t * exp t) x) / total.

(** One logit taken to an end. *)
Lemma one_moved : forall r top low t x, 0 <= t <= r ->
  entropy_of r top (S low) x <= entropy_of r top low (t :: x) \/
  entropy_of r (S top) low x <= entropy_of r top low (t :: x).
Proof.
  intros r top low t x T. set (z := INR top * exp r + INR low + sum exp x).
  set (n := INR top * (r * exp r) + sum (fun s => s * exp s) x).
  assert (Z : 0 <= z).
  { unfold z. pose proof (Rmult_le_pos _ (exp r) (pos_INR top) ltac:(left; apply exp_pos)). pose proof (pos_INR low).
    pose proof (sum_nonneg exp x (fun s _ => Rlt_le _ _ (exp_pos s))). lra. }
  assert (E : entropy_of r top low (t :: x) = one_logit z n t).
  { unfold entropy_of, one_logit, z, n. simpl. f_equal; f_equal; ring. }
  assert (E0 : entropy_of r top (S low) x = one_logit z n 0).
  { unfold entropy_of, one_logit, z, n. rewrite exp_0, S_INR. f_equal; f_equal; ring. }
  assert (Er : entropy_of r (S top) low x = one_logit z n r).
  { unfold entropy_of, one_logit, z, n. rewrite S_INR. f_equal; f_equal; ring. }
  rewrite E, E0, Er. now apply least_at_an_end.
Qed.

(** All of them: some number of keys at the upper level does no better. *)
Lemma all_moved : forall r x top low, 0 <= r -> (forall t, In t x -> 0 <= t <= r) ->
  exists j, (j <= top + low + length x)%nat /\ with_top (top + low + length x) j r <= entropy_of r top low x.
Proof.
  intros r x; induction x as [| t x I]; intros top low N X.
  - exists top. split; [simpl; lia |]. unfold with_top, entropy_of. simpl. rewrite Nat.add_0_r, plus_INR.
    apply Req_le. f_equal; f_equal; ring.
  - destruct (one_moved r top low t x (X t (or_introl eq_refl))) as [M | M].
    + destruct (I top (S low) N (fun s S => X s (or_intror S))) as (j & J & E).
      exists j. simpl. replace (top + low + S (length x))%nat with (top + S low + length x)%nat by lia.
      split; [exact J | lra].
    + destruct (I (S top) low N (fun s S => X s (or_intror S))) as (j & J & E).
      exists j. simpl. replace (top + low + S (length x))%nat with (S top + low + length x)%nat by lia.
      split; [exact J | lra].
Qed.

(** Slope of a two-level row's entropy in the range. *)
Lemma with_top_slope : forall n top r, (top <= n)%nat -> (0 < n)%nat ->
  is_derive (with_top n top) r
    (- r * (INR top * exp r * (INR n - INR top) / (INR top * exp r + (INR n - INR top)) ^ 2)).
Proof.
  intros n top r T N. apply le_INR in T. apply lt_0_INR in N. pose proof (pos_INR top) as P. pose proof (exp_pos r) as E.
  assert (0 < INR top * exp r + (INR n - INR top)).
  { destruct P as [P | P]; [pose proof (Rmult_lt_0_compat _ _ P E); lra | rewrite <- P; lra]. }
  unfold with_top. auto_derive; [repeat split; lra | field; lra].
Qed.

(** The product of the two shares, which is at most a quarter. *)
Lemma shares_product : forall x y, 0 <= x -> 0 <= y -> 0 < x + y -> 0 <= x * y / (x + y) ^ 2 <= / 4.
Proof.
  intros x y X Y S. assert (Q : 0 < (x + y) ^ 2) by now apply pow_lt.
  split; [apply Rmult_le_pos; [now apply Rmult_le_pos | left; now apply Rinv_0_lt_compat] |].
  apply (Rmult_le_reg_r ((x + y) ^ 2)); [exact Q |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  pose proof (pow2_ge_0 (x - y)). lra.
Qed.

(** So a range costs no less than nothing and at most [r^2/8]. *)
Lemma with_top_cost : forall n top r, (top <= n)%nat -> (0 < n)%nat -> 0 <= r ->
  ln (INR n) - r ^ 2 / 8 <= with_top n top r <= ln (INR n).
Proof.
  intros n top r T N R.
  assert (E : with_top n top 0 = ln (INR n)).
  { unfold with_top. rewrite exp_0. replace (INR top * 1 + (INR n - INR top)) with (INR n) by ring.
    apply lt_0_INR in N. field. lra. }
  assert (S : forall t, 0 <= INR top * exp t * (INR n - INR top) / (INR top * exp t + (INR n - INR top)) ^ 2 <= / 4).
  { intros t. apply le_INR in T. apply lt_0_INR in N. pose proof (pos_INR top) as P. pose proof (exp_pos t) as X.
    apply shares_product; [apply Rmult_le_pos; lra | lra |].
    destruct P as [P | P]; [pose proof (Rmult_lt_0_compat _ _ P X); lra | rewrite <- P; lra]. }
  split.
  - pose proof (rises (fun t => with_top n top t + t ^ 2 / 8)
      (fun t => - t * (INR top * exp t * (INR n - INR top) / (INR top * exp t + (INR n - INR top)) ^ 2) + t / 4) 0 r R) as M.
    cbv beta in M. rewrite E in M. assert (K : ln (INR n) + 0 ^ 2 / 8 <= with_top n top r + r ^ 2 / 8); [| lra].
    apply M.
    + intros t _. apply (is_derive_plus (with_top n top) (fun t => t ^ 2 / 8)); [now apply with_top_slope |].
      auto_derive; [trivial | field].
    + intros t B. pose proof (Rmult_le_compat_l t _ _ (proj1 B) (proj2 (S t))). lra.
  - rewrite <- E. apply (falls (with_top n top)
      (fun t => - t * (INR top * exp t * (INR n - INR top) / (INR top * exp t + (INR n - INR top)) ^ 2))); [exact R | |].
    + intros t _. now apply with_top_slope.
    + intros t B. pose proof (Rmult_le_pos t _ (proj1 B) (proj1 (S t))). lra.
Qed.

(** The same for a share of the keys at the upper level that need not be a ratio of whole numbers. *)
Lemma share_cost : forall p r, 0 <= p <= 1 -> 0 <= r ->
  r * (p * exp r) / (p * exp r + (1 - p)) - ln (p * exp r + (1 - p)) <= r ^ 2 / 8.
Proof.
  intros p r B R. set (z := fun t => p * exp t + (1 - p)).
  assert (Z : forall t, 0 < z t).
  { intros t. unfold z. pose proof (exp_pos t) as E. destruct (proj1 B) as [Q | Q]; [pose proof (Rmult_lt_0_compat _ _ Q E); lra | rewrite <- Q; lra]. }
  pose proof (rises (fun t => t ^ 2 / 8 - (t * (p * exp t) / z t - ln (z t)))
    (fun t => t / 4 - t * (p * exp t * (1 - p) / (p * exp t + (1 - p)) ^ 2)) 0 r R) as M.
  cbv beta in M. assert (E : 0 ^ 2 / 8 - (0 * (p * exp 0) / z 0 - ln (z 0)) = 0).
  { unfold z. rewrite exp_0. replace (p * 1 + (1 - p)) with 1 by ring. rewrite ln_1. field. }
  rewrite E in M. assert (K : 0 <= r ^ 2 / 8 - (r * (p * exp r) / z r - ln (z r))); [| unfold z in K; lra]. apply M.
  - intros t _. unfold z. pose proof (Z t) as Q. unfold z in Q. auto_derive; [repeat split; lra | field; lra].
  - intros t T. pose proof (Z t) as Q. unfold z in Q.
    pose proof (shares_product (p * exp t) (1 - p) ltac:(apply Rmult_le_pos; [lra | left; apply exp_pos]) ltac:(lra) Q) as S.
    pose proof (Rmult_le_compat_l t _ _ (proj1 T) (proj2 S)). lra.
Qed.

(** The finite bound, for logits anywhere in the range. *)
Lemma at_least_lowest : forall r x, x <> [] -> 0 <= r -> (forall t, In t x -> 0 <= t <= r) ->
  LowestEntropy (count x) r <= entropy_of r 0 0 x.
Proof.
  intros r x N R X. destruct (all_moved r x 0 0 R X) as (j & J & E). simpl in J, E.
  assert (L : (0 < length x)%nat) by (destruct x; [congruence | simpl; lia]).
  unfold count. rewrite lowest_is. set (n := length x) in *.
  destruct (Nat.eq_dec n 1) as [O | O].
  - rewrite O. simpl. pose proof (with_top_cost n j r J L R) as [_ C].
    (* One key: either level is the only one. *)
    assert (with_top n j r = 0); [| lra]. rewrite O in *. unfold with_top.
    assert (j = 0 \/ j = 1)%nat as [-> | ->] by lia; simpl.
    + replace (0 * exp r + (1 - 0)) with 1 by ring. rewrite ln_1. field.
    + replace (1 * exp r + (1 - 1)) with (exp r) by ring. rewrite ln_exp. field. pose proof (exp_pos r). lra.
  - assert (I : In 1%nat (seq 1 (n - 1))) by (apply in_seq; lia).
    destruct (Nat.eq_dec j 0) as [Z | Z]; [| destruct (Nat.eq_dec j n) as [W | W]].
    + subst j. pose proof (above_least (fun top => with_top n top r) _ _ I) as B. cbv beta in B.
      pose proof (with_top_cost n 1 r ltac:(lia) L R). unfold with_top in E at 1. simpl in E.
      replace (0 * exp r + (INR n - 0)) with (INR n) in E by ring.
      assert (r * 0 * exp r / INR n = 0) by (unfold Rdiv; ring). lra.
    + subst j. pose proof (above_least (fun top => with_top n top r) _ _ I) as B. cbv beta in B.
      pose proof (with_top_cost n 1 r ltac:(lia) L R).
      assert (with_top n n r = ln (INR n)); [| lra]. unfold with_top. apply lt_0_INR in L. pose proof (exp_pos r).
      replace (INR n * exp r + (INR n - INR n)) with (INR n * exp r) by ring. rewrite ln_mult, ln_exp by trivial. field. lra.
    + pose proof (above_least (fun top => with_top n top r) (seq 1 (n - 1)) j ltac:(apply in_seq; lia)) as B. cbv beta in B. lra.
Qed.
