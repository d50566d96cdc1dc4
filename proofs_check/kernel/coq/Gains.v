(** What a layer gains by its dial: it rises with the dial and is convex in it, so unequal dials gain more. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Schedule.
Import ListNotations.
Open Scope R_scope.

(** The gain in closed form. *)
Lemma gained_is : forall x e, 0 < e < 1 -> x <= 1 -> gained x e = e * x * (1 - e) / (- e * x + 1).
Proof.
  intros x e E X. unfold gained. assert (0 <= e * (1 - x)) by (apply Rmult_le_pos; lra). field. lra.
Qed.

(** The slope of the gain in the dial. *)
Definition slope (x e : R) : R := e * (1 - e) / (1 - e * x) ^ 2.

Lemma room : forall x e, 0 < e < 1 -> x <= 1 -> 0 < 1 - e * x.
Proof. intros x e E X. assert (0 <= e * (1 - x)) by (apply Rmult_le_pos; lra). lra. Qed.

(** The gain lies above its tangents. *)
Lemma gained_above_tangent : forall x y e, 0 < e < 1 -> x <= 1 -> y <= 1 ->
  gained x e + slope x e * (y - x) <= gained y e.
Proof.
  intros x y e E X Y. rewrite !gained_is by trivial. unfold slope. pose proof (room x e E X). pose proof (room y e E Y).
  apply Rminus_le. replace (e * x * (1 - e) / (- e * x + 1) + e * (1 - e) / (1 - e * x) ^ 2 * (y - x)
    - e * y * (1 - e) / (- e * y + 1))
    with (- (e * e * (1 - e) * (y - x) ^ 2 / ((1 - e * y) * (1 - e * x) ^ 2))) by (field; lra).
  rewrite <- Ropp_0. apply Ropp_le_contravar, Rmult_le_pos.
  - apply Rmult_le_pos; [| apply pow2_ge_0]. apply Rmult_le_pos; [apply Rmult_le_pos |]; lra.
  - left. apply Rinv_0_lt_compat, Rmult_lt_0_compat; [lra | now apply pow_lt].
Qed.

(** The slope is positive and rises. *)
Lemma slope_pos : forall x e, 0 < e < 1 -> x <= 1 -> 0 < slope x e.
Proof.
  intros x e E X. pose proof (room x e E X). apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | now apply pow_lt].
Qed.

Lemma slope_rises : forall x y e, 0 < e < 1 -> x <= y -> y <= 1 -> slope x e <= slope y e.
Proof.
  intros x y e E X Y. pose proof (room y e E Y) as Q. unfold slope.
  apply Rmult_le_compat_l; [apply Rmult_le_pos; lra |]. apply Rinv_le_contravar; [now apply pow_lt |].
  apply pow_incr. pose proof (Rmult_le_compat_l e x y ltac:(lra) X). lra.
Qed.

(** So the gain rises with the dial. *)
Lemma gained_le : forall x y e, 0 < e < 1 -> x <= y -> y <= 1 -> gained x e <= gained y e.
Proof.
  intros x y e E X Y. pose proof (gained_above_tangent x y e E ltac:(lra) Y).
  pose proof (slope_pos x e E ltac:(lra)). assert (0 <= slope x e * (y - x)) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma gained_lt : forall x y e, 0 < e < 1 -> x < y -> y <= 1 -> gained x e < gained y e.
Proof.
  intros x y e E X Y. pose proof (gained_above_tangent x y e E ltac:(lra) Y).
  pose proof (slope_pos x e E ltac:(lra)). assert (0 < slope x e * (y - x)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(** A sum rises strictly where one of its terms does. *)
Lemma sum_lt : forall (f g : nat -> R) l i, (forall j, In j l -> f j <= g j) -> In i l -> f i < g i -> sum f l < sum g l.
Proof.
  intros f g l i N I S. apply in_split in I as (before & after & ->). rewrite !sum_app. simpl.
  pose proof (sum_le f g before (fun j J => N j (in_or_app _ _ _ (or_introl J)))).
  pose proof (sum_le f g after (fun j J => N j (in_or_app before (i :: after) j (or_intror (or_intror J))))). lra.
Qed.

(** Karamata's inequality for the gain: dials [y] that sum to as much as dials [x], with [y] above [x] only beyond [c]
    and below it only before, gain at least as much. *)
Lemma spread_gains : forall (x y : nat -> R) c e l, 0 < e < 1 -> c <= 1 ->
  (forall i, In i l -> x i <= 1 /\ y i <= 1) -> sum x l = sum y l ->
  (forall i, In i l -> (x i <= y i /\ c <= x i) \/ (y i <= x i /\ x i <= c)) ->
  sum (fun i => gained (x i) e) l <= sum (fun i => gained (y i) e) l.
Proof.
  intros x y c e l E C B S O.
  assert (T : sum (fun i => gained (x i) e + slope c e * (y i - x i)) l <= sum (fun i => gained (y i) e) l).
  { apply sum_le. intros i I. destruct (B i I) as [X Y].
    pose proof (gained_above_tangent (x i) (y i) e E X Y).
    destruct (O i I) as [[U V] | [U V]].
    - pose proof (slope_rises c (x i) e E V X).
      assert (0 <= (slope (x i) e - slope c e) * (y i - x i)) by (apply Rmult_le_pos; lra). lra.
    - pose proof (slope_rises (x i) c e E V C).
      assert (0 <= (slope c e - slope (x i) e) * (x i - y i)) by (apply Rmult_le_pos; lra). lra. }
  rewrite sum_plus, sum_scale, sum_minus, S, Rminus_diag_eq, Rmult_0_r in T by reflexivity. lra.
Qed.
