(** The calculus behind G4: bounds of the exponential, and where [t^2/(t - 1 + e^-t)] rises. *)
Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions.
Open Scope R_scope.

(** A function that is 0 at 0 and rises from there is not negative. *)
Lemma rises_from_0 : forall f f' : R -> R, (forall x, 0 <= x -> is_derive f x (f' x)) -> (forall x, 0 <= x -> 0 <= f' x) ->
  f 0 = 0 -> forall x, 0 <= x -> 0 <= f x.
Proof.
  intros f f' D N Z x [X | <-]; [| lra].
  destruct (MVT_cor2 f f' 0 x X (fun c C => proj1 (is_derive_Reals f c (f' c)) (D c (proj1 C)))) as (c & E & C).
  pose proof (Rmult_le_pos (f' c) (x - 0) (N c ltac:(lra)) ltac:(lra)). lra.
Qed.

Lemma exp_below : forall x, 0 <= x -> 0 <= x ^ 2 / 2 - (x - 1 + exp (- x)).
Proof.
  apply (rises_from_0 _ (fun x => x - 1 + exp (- x))).
  - intros x X. auto_derive; [trivial | field].
  - intros x X. pose proof (exp_ineq1_le (- x)). lra.
  - rewrite Ropp_0, exp_0. field.
Qed.

Lemma exp_above : forall x, 0 <= x -> 0 <= exp x - 1 - x - x ^ 2 / 2.
Proof.
  apply (rises_from_0 _ (fun x => exp x - 1 - x)).
  - intros x X. auto_derive; [trivial | field].
  - intros x X. pose proof (exp_ineq1_le x). lra.
  - rewrite exp_0. field.
Qed.

Lemma sinh_above : forall x, 0 <= x -> 0 <= exp x - exp (- x) - 2 * x.
Proof.
  apply (rises_from_0 _ (fun x => exp x + exp (- x) - 2)).
  - intros x X. auto_derive; [trivial | field].
  - intros x X. pose proof (exp_ineq1_le x). pose proof (exp_ineq1_le (- x)). lra.
  - rewrite Ropp_0, exp_0. ring.
Qed.

Lemma cosh_above : forall z, 2 + z ^ 2 <= exp z + exp (- z).
Proof.
  assert (H : forall z, 0 <= z -> 2 + z ^ 2 <= exp z + exp (- z)).
  { intros z Z. pose proof (sinh_above (z / 2) ltac:(lra)) as S.
    assert (E : exp z = exp (z / 2) * exp (z / 2)) by (rewrite <- exp_plus; f_equal; field).
    assert (E' : exp (- z) = exp (- (z / 2)) * exp (- (z / 2))) by (rewrite <- exp_plus; f_equal; field).
    assert (U : exp (z / 2) * exp (- (z / 2)) = 1) by (rewrite <- exp_plus, Rplus_opp_r; apply exp_0).
    rewrite E, E'. set (x := exp (z / 2)) in *. set (y := exp (- (z / 2))) in *.
    pose proof (pow_incr z (x - y) 2 ltac:(lra)) as L. lra. }
  intros z. destruct (Rle_lt_dec 0 z) as [Z | Z]; [now apply H |].
  pose proof (H (- z) ltac:(lra)) as L. rewrite Ropp_involutive in L. lra.
Qed.

Definition bend (t : R) : R := t - 1 + exp (- t).

Lemma bend_nonneg : forall t, 0 <= bend t.
Proof. intros t. unfold bend. pose proof (exp_ineq1_le (- t)). lra. Qed.

Lemma tilt : forall t, 0 <= t -> 0 <= t - 2 + (t + 2) * exp (- t).
Proof.
  apply (rises_from_0 _ (fun t => 1 - (t + 1) * exp (- t))).
  - intros x X. auto_derive; [trivial | field].
  - intros x X. pose proof (exp_ineq1_le x) as E. pose proof (exp_pos (- x)) as N.
    apply (Rmult_le_compat_r (exp (- x))) in E; [| lra]. rewrite <- exp_plus, Rplus_opp_r, exp_0 in E. lra.
  - rewrite Ropp_0, exp_0. ring.
Qed.

(** [bend t / t^2] falls on the positive numbers. *)
Lemma bend_ratio : forall t x, 0 < t <= x -> t ^ 2 * bend x <= x ^ 2 * bend t.
Proof.
  intros t x [T [X | <-]]; [| lra]. set (f := fun t => - (bend t / t ^ 2)). set (f' := fun t => (t - 2 + (t + 2) * exp (- t)) / t ^ 3).
  destruct (MVT_cor2 f f' t x X) as (c & E & C).
  - intros c C. apply is_derive_Reals. unfold f, f', bend. assert (0 < c) by lra. auto_derive; [| field; lra].
    apply Rgt_not_eq. repeat apply Rmult_lt_0_compat; lra.
  - pose proof (tilt c ltac:(lra)) as K. assert (0 <= f' c).
    { apply Rmult_le_pos; [exact K | left; apply Rinv_0_lt_compat, pow_lt; lra]. }
    pose proof (Rmult_le_pos (f' c) (x - t) H ltac:(lra)) as N. unfold f in E.
    assert (L : bend x / x ^ 2 <= bend t / t ^ 2) by lra.
    apply (Rmult_le_compat_r (t ^ 2 * x ^ 2)) in L; [| apply Rmult_le_pos; apply pow2_ge_0].
    replace (bend x / x ^ 2 * (t ^ 2 * x ^ 2)) with (t ^ 2 * bend x) in L by (field; lra).
    replace (bend t / t ^ 2 * (t ^ 2 * x ^ 2)) with (x ^ 2 * bend t) in L by (field; lra). exact L.
Qed.

(** So a multiple of [bend] touches the square at [l] and lies above it before. *)
Lemma touching : forall l, 0 <= l -> exists e, 0 <= e /\ e * bend l = l ^ 2 /\ forall t, t <= l -> t ^ 2 <= e * bend t.
Proof.
  intros l [N | <-].
  - assert (B : 0 < bend l).
    { unfold bend. pose proof (exp_ineq1 (- l) ltac:(lra)). lra. }
    exists (l ^ 2 / bend l). split; [| split].
    + apply Rmult_le_pos; [apply pow2_ge_0 | left; now apply Rinv_0_lt_compat].
    + field. lra.
    + intros t T. apply (Rmult_le_reg_r (bend l)); [exact B |].
      replace (l ^ 2 / bend l * bend t * bend l) with (l ^ 2 * bend t) by (field; lra).
      destruct (Rle_lt_dec t 0) as [S | S]; [| apply bend_ratio; lra].
      pose proof (exp_below l ltac:(lra)) as U. fold (bend l) in U. pose proof (exp_above (- t) ltac:(lra)) as V.
      assert (V' : t ^ 2 / 2 <= bend t) by (unfold bend; lra).
      apply Rle_trans with (t ^ 2 * (l ^ 2 / 2)); [apply Rmult_le_compat_l; [apply pow2_ge_0 | lra] |].
      pose proof (Rmult_le_compat_l (l ^ 2) _ _ (pow2_ge_0 l) V'). lra.
  - exists 2. split; [lra |]. split; [unfold bend; rewrite Ropp_0, exp_0; ring |]. intros t T.
    pose proof (exp_above (- t) ltac:(lra)) as V. unfold bend. lra.
Qed.
