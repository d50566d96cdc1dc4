(** D3, Fano's inequality: Gibbs's inequality against the pointer that errs alike towards every other block. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Channel.
Import ListNotations.
Open Scope R_scope.

(** One term of Gibbs's inequality, where [q] may vanish with [p]. *)
Lemma gibbs_term_0 : forall p q, 0 <= p -> 0 <= q -> (0 < p -> 0 < q) -> p * (ln q - ln p) <= q - p.
Proof. intros p q [P | P] Q C; [apply gibbs_term; [lra | auto] | subst; lra]. Qed.

(** A sum of one value at a place and another elsewhere. *)
Lemma sum_pick : forall j n (f : nat -> R), (j < n)%nat ->
  sum (fun i => if Nat.eq_dec i j then f i else 0) (seq 0 n) = f j.
Proof.
  intros j n f. induction n as [| n S]; intros L; [lia |]. rewrite seq_S, sum_app. simpl sum at 2.
  destruct (Nat.eq_dec n j) as [-> | N].
  - rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |].
    intros i J. apply in_seq in J. destruct (Nat.eq_dec i j); [lia | reflexivity].
  - rewrite S by lia. ring.
Qed.

Theorem some_instance : exists a, possible a /\ uniform_target a /\ M a >= 2.
Proof.
  exists (Channel 2 (fun _ _ => 1) 0). unfold possible, uniform_target, total, M, each; simpl. repeat split; intros; try lra; lia.
Qed.

Section Fano.
Variable a : channel.
Hypothesis P : possible a.
Hypothesis Even : uniform_target a.
Hypothesis Two : M a >= 2.

Lemma M_at_least_2 : 2 <= M a.
Proof. lra. Qed.

Lemma below : forall i, In i (each a) -> (i < blocks a)%nat.
Proof. intros i J. apply in_seq in J. lia. Qed.

Lemma joint_nonneg : forall i j, 0 <= joint a i j.
Proof.
  intros i j. destruct P as (W & S & _). apply Rmult_le_pos; [apply W |].
  left. now apply Rinv_0_lt_compat.
Qed.

(** Targets are equally likely. *)
Lemma target_mass : forall i, In i (each a) -> sum (joint a i) (each a) = / M a.
Proof.
  intros i I. destruct P as (_ & S & _). pose proof M_at_least_2.
  assert (T : total a = M a * sum (weight a i) (each a)).
  { unfold total. rewrite (sum_ext _ (fun _ => sum (weight a i) (each a)) _ (fun j J => Even j i J I)), sum_const.
    unfold count, each. rewrite seq_length. reflexivity. }
  rewrite T in S. assert (0 < sum (weight a i) (each a)).
  { apply (Rmult_lt_reg_l (M a)); [lra |]. rewrite Rmult_0_r. exact S. }
  unfold joint, Rdiv. rewrite sum_scale_r, T. field. lra.
Qed.

Lemma joint_one : sum (fun i => sum (joint a i) (each a)) (each a) = 1.
Proof.
  rewrite (sum_ext _ (fun _ => / M a) _ target_mass), sum_const. pose proof M_at_least_2.
  unfold count, each. rewrite seq_length. fold (M a). field. lra.
Qed.

Lemma pointed_one : sum (pointed a) (each a) = 1.
Proof. rewrite <- joint_one. symmetry. apply sum_swap. Qed.

Lemma joint_le_pointed : forall i j, In i (each a) -> joint a i j <= pointed a j.
Proof.
  intros i j J. unfold pointed. rewrite <- (sum_pick i (blocks a) (fun i => joint a i j)) by now apply below.
  apply sum_le. intros k _. pose proof (joint_nonneg k j). destruct (Nat.eq_dec k i); lra.
Qed.

(** Probability of being right: what the pointer's error leaves. *)
Lemma right_mass : sum (fun i => joint a i i) (each a) = 1 - epsilon_M a.
Proof. unfold epsilon_M. ring. Qed.

(** A double sum of one value on the diagonal and another off it. *)
Lemma split_diagonal : forall x y,
  sum (fun i => sum (fun j => joint a i j * (if Nat.eq_dec j i then x else y)) (each a)) (each a)
  = (1 - epsilon_M a) * x + epsilon_M a * y.
Proof.
  intros x y.
  rewrite (sum_ext _ (fun i => joint a i i * (x - y) + sum (joint a i) (each a) * y)).
  - rewrite sum_plus, !sum_scale_r, joint_one, right_mass. ring.
  - intros i J. rewrite <- (sum_pick i (blocks a) (fun j => joint a i j * (x - y))) by now apply below.
    fold (each a). rewrite <- sum_scale_r, <- sum_plus. apply sum_ext. intros j _.
    destruct (Nat.eq_dec j i); ring.
Qed.

Lemma error_inside : 0 <= epsilon_M a <= 1.
Proof.
  assert (R : 0 <= sum (fun i => joint a i i) (each a)) by (apply sum_nonneg; intros; apply joint_nonneg).
  assert (S : sum (fun i => joint a i i) (each a) <= sum (fun i => sum (joint a i) (each a)) (each a)).
  { apply sum_le. intros i J. rewrite <- (sum_pick i (blocks a) (joint a i)) by now apply below.
    apply sum_le. intros j _. pose proof (joint_nonneg i j). destruct (Nat.eq_dec j i); lra. }
  rewrite joint_one in S. unfold epsilon_M. lra.
Qed.

(** The pointer compared with: right with probability [1 - e], else any other block alike. *)
Definition level (i j : nat) : R := if Nat.eq_dec j i then 1 - epsilon_M a else epsilon_M a / (M a - 1).

Lemma level_nonneg : forall i j, 0 <= level i j.
Proof.
  intros i j. pose proof error_inside. pose proof M_at_least_2. unfold level.
  destruct (Nat.eq_dec j i); [lra | apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra]].
Qed.

(** It gives no mass where the pointer itself has some only if there is none. *)
Lemma level_pos : forall i j, In i (each a) -> In j (each a) -> 0 < joint a i j -> 0 < level i j.
Proof.
  intros i j A B Q. pose proof M_at_least_2. pose proof (split_diagonal 1 0) as D. pose proof (split_diagonal 0 1) as O.
  (* One term of a double sum of terms that are not negative. *)
  assert (T : forall f : nat -> nat -> R, (forall i j, 0 <= f i j) -> f i j <= sum (fun i => sum (f i) (each a)) (each a)).
  { intros f N. rewrite <- (sum_pick j (blocks a) (f i)) by now apply below.
    rewrite <- (sum_pick i (blocks a) (fun i => sum (fun k => if Nat.eq_dec k j then f i k else 0) (seq 0 (blocks a)))) by now apply below.
    apply sum_le. intros k _. destruct (Nat.eq_dec k i).
    - apply sum_le. intros l _. pose proof (N k l). destruct (Nat.eq_dec l j); lra.
    - apply sum_nonneg. intros; apply N. }
  assert (N : forall x y, 0 <= x -> 0 <= y -> forall i j, 0 <= joint a i j * (if Nat.eq_dec j i then x else y)).
  { intros x y X Y k l. apply Rmult_le_pos; [apply joint_nonneg | destruct (Nat.eq_dec l k); assumption]. }
  unfold level. destruct (Nat.eq_dec j i) as [E | E].
  - pose proof (T _ (N 1 0 ltac:(lra) ltac:(lra))) as S. cbv beta in S. rewrite D in S. destruct (Nat.eq_dec j i); [lra | contradiction].
  - pose proof (T _ (N 0 1 ltac:(lra) ltac:(lra))) as S. cbv beta in S. rewrite O in S. destruct (Nat.eq_dec j i); [contradiction |].
    apply Rdiv_lt_0_compat; lra.
Qed.

(** At each block pointed at, the levels sum to 1. *)
Lemma level_one : forall j, In j (each a) -> sum (fun i => level i j) (each a) = 1.
Proof.
  intros j J. pose proof M_at_least_2. unfold level. set (x := 1 - epsilon_M a). set (y := epsilon_M a / (M a - 1)).
  rewrite (sum_ext _ (fun i => y + (if Nat.eq_dec i j then x - y else 0))).
  - rewrite sum_plus, sum_const. unfold each at 2. rewrite (sum_pick j _ (fun _ => x - y)) by now apply below.
    unfold count, each. rewrite seq_length. fold (M a). unfold x, y. field. lra.
  - intros i _. destruct (Nat.eq_dec j i), (Nat.eq_dec i j); subst; try contradiction; ring.
Qed.

Lemma fano : I a >= - epsilon_M a * ln (M a - 1) + ln (M a) - BinaryEntropy (epsilon_M a).
Proof.
  pose proof M_at_least_2. pose proof error_inside.
  assert (G : sum (fun i => sum (fun j => joint a i j * (ln (level i j * pointed a j) - ln (joint a i j))) (each a)) (each a)
              <= sum (fun i => sum (fun j => level i j * pointed a j - joint a i j) (each a)) (each a)).
  { apply sum_le. intros i A. apply sum_le. intros j B. pose proof (joint_le_pointed i j A). pose proof (joint_nonneg i j).
    pose proof (level_nonneg i j). apply gibbs_term_0; [lra | apply Rmult_le_pos; lra |].
    intros Q. apply Rmult_lt_0_compat; [now apply level_pos | lra]. }
  rewrite (sum_ext (fun i => sum (fun j => level i j * pointed a j - joint a i j) (each a))
    (fun i => sum (fun j => level i j * pointed a j) (each a) - sum (joint a i) (each a))) in G by (intros; apply sum_minus).
  rewrite sum_minus, joint_one, (sum_swap (fun i j => level i j * pointed a j)) in G.
  rewrite (sum_ext (fun j => sum (fun i => level i j * pointed a j) (each a)) (pointed a)) in G.
  2: { intros j J. rewrite sum_scale_r, level_one by exact J. ring. }
  rewrite pointed_one in G.
  assert (T : I a = ln (M a) + (1 - epsilon_M a) * ln (1 - epsilon_M a) + epsilon_M a * ln (epsilon_M a / (M a - 1))
    - sum (fun i => sum (fun j => joint a i j * (ln (level i j * pointed a j) - ln (joint a i j))) (each a)) (each a)).
  { replace (ln (M a)) with (ln (M a) * sum (fun i => sum (joint a i) (each a)) (each a)) by (rewrite joint_one; ring).
    rewrite Rplus_assoc, <- (split_diagonal (ln (1 - epsilon_M a)) (ln (epsilon_M a / (M a - 1)))).
    rewrite <- sum_scale, <- sum_plus, <- sum_minus. apply sum_ext. intros i A.
    rewrite <- sum_scale, <- sum_plus, <- sum_minus. apply sum_ext. intros j B. rewrite target_mass by exact A.
    destruct (joint_nonneg i j) as [Q | Q]; [| rewrite <- Q; ring].
    pose proof (joint_le_pointed i j A). pose proof (level_pos i j A B Q) as V.
    assert (R : 0 < / M a) by (apply Rinv_0_lt_compat; lra).
    assert (Y : ln (joint a i j / (/ M a * pointed a j)) = ln (joint a i j) - (- ln (M a) + ln (pointed a j))).
    { rewrite ln_quotient, (ln_mult (/ M a)), ln_Rinv; try lra. apply Rmult_lt_0_compat; lra. }
    assert (Z : ln (level i j * pointed a j) = ln (level i j) + ln (pointed a j)) by (apply ln_mult; lra).
    rewrite Y, Z.
    unfold level. destruct (Nat.eq_dec j i); ring. }
  assert (E : epsilon_M a * ln (epsilon_M a / (M a - 1)) = epsilon_M a * (ln (epsilon_M a) - ln (M a - 1))).
  { destruct (proj1 error_inside) as [Q | Q]; [now rewrite ln_quotient by lra | rewrite <- Q; ring]. }
  unfold BinaryEntropy. lra.
Qed.
End Fano.

Theorem error : forall a, possible a -> uniform_target a -> M a >= 2 ->
  I a >= - epsilon_M a * ln (M a - 1) + ln (M a) - BinaryEntropy (epsilon_M a).
Proof. exact fano. Qed.

(** The bound falls in the error up to [1 - 1/M], being concave with its slope's sign known there. *)
Theorem error_allowed : forall a, possible a -> uniform_target a -> M a >= 2 ->
  epsilon_M a <= epsilon_allowed a /\ epsilon_allowed a <= 1 - 1 / M a ->
  I a >= - epsilon_allowed a * ln (M a - 1) + ln (M a) - BinaryEntropy (epsilon_allowed a).
Proof.
  intros a P Even Two [L U]. pose proof (fano a P Even Two) as F. pose proof (error_inside a P Even Two).
  set (e := epsilon_allowed a) in *. set (x := epsilon_M a) in *.
  destruct (Req_dec e 0) as [Z | Z]; [replace x with e in F by lra; exact F |].
  assert (V : 0 < 1 / M a) by (apply Rdiv_lt_0_compat; lra).
  pose proof (binary_entropy_below x e ltac:(lra) ltac:(lra)) as B.
  assert (S : ln e <= ln ((M a - 1) * (1 - e))).
  { apply ln_le; [lra |]. pose proof (Rmult_le_compat_l (M a) _ _ ltac:(lra) U) as W.
    replace (M a * (1 - 1 / M a)) with (M a - 1) in W by (field; lra). lra. }
  rewrite ln_mult in S by lra.
  pose proof (Rmult_le_pos (e - x) (ln (M a - 1) + ln (1 - e) - ln e) ltac:(lra) ltac:(lra)).
  unfold BinaryEntropy at 1. unfold BinaryEntropy in B, F |- *. lra.
Qed.
