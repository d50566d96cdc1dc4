(** Two distributions on the numbers below [n], coupled so that they differ as seldom as they can: the one is hardly more
    uncertain than the other (Fannes and Audenaert, classical case). *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Matrices.
Open Scope R_scope.

(** One term of Gibbs's inequality for a joint mass [J], against its marginals [p], [q] and a conditional guess [Q]. *)
Lemma joint_term : forall J p q Q, 0 <= J <= p -> J <= q -> 0 <= Q -> (0 < J -> 0 < Q) ->
  J * (ln q + ln Q - ln p) <= q * Q - J.
Proof.
  intros J p q Q [[N | N] P] L K G.
  - specialize (G N). replace (ln q + ln Q) with (ln (q * Q)) by (apply ln_mult; lra).
    rewrite <- ln_quotient by (try apply Rmult_lt_0_compat; lra).
    assert (X : 0 < q * Q / p) by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat |]; lra).
    pose proof (Rmult_le_compat_l J _ _ ltac:(lra) (ln_below_tangent _ X)) as T.
    assert (J * (q * Q / p) <= q * Q); [| lra].
    apply Rle_trans with (p * (q * Q / p)); [apply Rmult_le_compat_r; lra |]. apply Req_le. field. lra.
  - rewrite <- N, Rmult_0_l. pose proof (Rmult_le_pos q Q). lra.
Qed.

Section Coupled.
Variables (n : nat) (p q : nat -> R) (T : R).
Hypothesis several : (2 <= n)%nat.
Let l := seq 0 n.
Hypothesis p_nonneg : forall i, In i l -> 0 <= p i.
Hypothesis q_nonneg : forall i, In i l -> 0 <= q i.
Hypothesis p_one : sum p l = 1.
Hypothesis q_one : sum q l = 1.
Hypothesis T_is : T = / 2 * sum (fun i => Rabs (p i - q i)) l.
Hypothesis T_pos : 0 < T.

(** One term of a sum alone. *)
Lemma alone : forall f j, In j l -> sum (fun i => if Nat.eqb i j then f i else 0) l = f j.
Proof.
  intros f j I. assert (H : forall s k, (s <= j < s + k)%nat -> sum (fun i => if Nat.eqb i j then f i else 0) (seq s k) = f j).
  { intros s k. revert s. induction k as [| k K]; intros s S; [lia |]. simpl. destruct (Nat.eqb_spec s j) as [-> | N].
    - rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros i J. apply in_seq in J.
      destruct (Nat.eqb_spec i j); [lia | reflexivity].
    - rewrite K by lia. ring. }
  apply in_seq in I. apply H. lia.
Qed.

Let common i := Rmin (p i) (q i).
Let u i := p i - common i.
Let v i := q i - common i.

Lemma parts : forall i, 0 <= u i /\ 0 <= v i /\ u i * v i = 0 /\ Rabs (p i - q i) = u i + v i.
Proof.
  intros i. unfold u, v, common, Rmin. destruct (Rle_dec (p i) (q i)).
  - rewrite Rabs_left1 by lra. repeat split; lra.
  - rewrite Rabs_right by lra. repeat split; lra.
Qed.

Lemma u_sum : sum u l = T.
Proof.
  assert (E : sum u l + sum v l = 2 * T).
  { rewrite T_is, <- sum_plus, (sum_ext _ (fun i => Rabs (p i - q i))); [field |]. intros i _. now destruct (parts i) as (_ & _ & _ & ->). }
  assert (D : sum u l = sum v l) by (unfold u, v; rewrite !sum_minus; lra). lra.
Qed.

Lemma v_sum : sum v l = T.
Proof. rewrite <- u_sum. unfold u, v. rewrite !sum_minus. lra. Qed.

Lemma common_sum : sum common l = 1 - T.
Proof. pose proof u_sum as E. unfold u in E. rewrite sum_minus in E. lra. Qed.

Let others := INR n - 1.

Lemma others_pos : 1 <= others.
Proof. unfold others. apply le_INR in several. simpl in several. lra. Qed.

(** The joint masses, and the guess at the first from the second: the same with [1 - T], any other equally often. *)
Let joint i j := (if Nat.eqb i j then common i else 0) + u i * v j / T.
Let guess i j := if Nat.eqb i j then 1 - T else T / others.

Lemma joint_rows : forall i, In i l -> sum (joint i) l = p i.
Proof.
  intros i I. unfold joint. rewrite sum_plus. rewrite (sum_ext (fun j => if Nat.eqb i j then common i else 0)
    (fun j => if Nat.eqb j i then common i else 0)) by (intros; now rewrite Nat.eqb_sym).
  rewrite (alone (fun _ => common i)) by exact I. rewrite (sum_ext _ (fun j => u i / T * v j)) by (intros; field; lra).
  rewrite sum_scale, v_sum. unfold u. field. lra.
Qed.

Lemma joint_columns : forall j, In j l -> sum (fun i => joint i j) l = q j.
Proof.
  intros j I. unfold joint. rewrite sum_plus, (alone common) by exact I.
  rewrite (sum_ext _ (fun i => v j / T * u i)) by (intros; field; lra). rewrite sum_scale, u_sum. unfold v. field. lra.
Qed.

Lemma joint_bounds : forall i j, In i l -> In j l -> 0 <= joint i j <= p i /\ joint i j <= q j /\ 0 <= guess i j /\ (0 < joint i j -> 0 < guess i j).
Proof.
  intros i j I J. destruct (parts i) as (U & V & Z & _). destruct (parts j) as (U' & V' & _). pose proof others_pos.
  assert (C : 0 <= common i) by (unfold common; apply Rmin_glb; [now apply p_nonneg | now apply q_nonneg]).
  assert (S : common i <= 1 - T).
  { rewrite <- common_sum. apply term_below_sum; [| exact I]. intros k K. apply Rmin_glb; [now apply p_nonneg | now apply q_nonneg]. }
  assert (Q : 0 < T / others) by (apply Rdiv_lt_0_compat; lra).
  unfold joint, guess. destruct (Nat.eqb_spec i j) as [<- | N].
  - rewrite Z. replace (common i + 0 / T) with (common i) by (field; lra).
    repeat split; try lra; unfold u, v in *; lra.
  - assert (A : u i <= T) by (rewrite <- u_sum; apply term_below_sum; [intros k _; apply parts | exact I]).
    assert (B : v j <= T) by (rewrite <- v_sum; apply term_below_sum; [intros k _; apply parts | exact J]).
    assert (X : u i * v j / T <= u i).
    { apply (Rmult_le_reg_r T); [lra |]. replace (u i * v j / T * T) with (u i * v j) by (field; lra). now apply Rmult_le_compat_l. }
    assert (Y : u i * v j / T <= v j).
    { apply (Rmult_le_reg_r T); [lra |]. replace (u i * v j / T * T) with (v j * u i) by (field; lra). now apply Rmult_le_compat_l. }
    pose proof (q_nonneg j J). assert (0 <= common j) by (unfold common; apply Rmin_glb; [now apply p_nonneg | exact H0]).
    assert (0 <= u i * v j / T) by (apply Rmult_le_pos; [now apply Rmult_le_pos | left; now apply Rinv_0_lt_compat]).
    repeat split; try lra; unfold u, v in *; lra.
Qed.

Lemma guess_one : forall j, In j l -> sum (fun i => guess i j) l = 1.
Proof.
  intros j J. pose proof others_pos. rewrite (sum_ext _ (fun i => T / others + (if Nat.eqb i j then 1 - T - T / others else 0)))
    by (intros i _; unfold guess; destruct Nat.eqb; ring).
  rewrite sum_plus, sum_const, (alone (fun _ => 1 - T - T / others)) by exact J.
  unfold count, l. rewrite seq_length. unfold others. field. unfold others in *. lra.
Qed.

Lemma guessed : sum (fun i => sum (fun j => joint i j * ln (guess i j)) l) l = (1 - T) * ln (1 - T) + T * (ln T - ln others).
Proof.
  pose proof others_pos. rewrite <- ln_quotient by lra.
  rewrite (sum_ext _ (fun i => common i * ln (1 - T) + u i * ln (T / others))).
  - rewrite sum_plus, !sum_scale_r, common_sum, u_sum. ring.
  - intros i I. rewrite (sum_ext _ (fun j => (if Nat.eqb j i then common i * ln (1 - T) else 0) + u i / T * ln (T / others) * v j)).
    + rewrite sum_plus, (alone (fun _ => common i * ln (1 - T))), sum_scale, v_sum by exact I. field. lra.
    + intros j _. unfold joint, guess. rewrite (Nat.eqb_sym j i). destruct (Nat.eqb_spec i j) as [<- | N].
      * destruct (parts i) as (_ & _ & Z & _). unfold Rdiv. rewrite Z, Rmult_0_l, Rplus_0_r.
        replace (u i * / T * ln (T * / others) * v i) with (u i * v i * / T * ln (T * / others)) by ring. rewrite Z. ring.
      * field. lra.
Qed.

Lemma hardly_more_uncertain :
  sum (fun i => - p i * ln (p i)) l - sum (fun i => - q i * ln (q i)) l <= T * ln others + BinaryEntropy T.
Proof.
  assert (G : sum (fun i => sum (fun j => joint i j * (ln (q j) + ln (guess i j) - ln (p i))) l) l
              <= sum (fun i => sum (fun j => q j * guess i j - joint i j) l) l).
  { apply sum_le. intros i I. apply sum_le. intros j J. destruct (joint_bounds i j I J) as (A & B & C & D). now apply joint_term. }
  assert (RZ : sum (fun i => sum (fun j => q j * guess i j - joint i j) l) l = 0).
  { rewrite (sum_ext _ (fun i => sum (fun j => q j * guess i j) l - p i)) by (intros i I; now rewrite sum_minus, joint_rows).
    rewrite sum_minus, p_one, sum_swap, (sum_ext _ q), q_one; [ring |]. intros j J. rewrite sum_scale, guess_one by exact J. ring. }
  assert (L : sum (fun i => sum (fun j => joint i j * (ln (q j) + ln (guess i j) - ln (p i))) l) l
    = sum (fun j => q j * ln (q j)) l + ((1 - T) * ln (1 - T) + T * (ln T - ln others)) - sum (fun i => p i * ln (p i)) l).
  { rewrite <- guessed, (sum_ext (fun j => q j * ln (q j)) (fun j => sum (fun i => joint i j * ln (q j)) l))
      by (intros j J; now rewrite sum_scale_r, joint_columns).
    rewrite <- (sum_swap (fun i j => joint i j * ln (q j))), <- sum_plus, <- sum_minus. apply sum_ext. intros i I.
    replace (p i * ln (p i)) with (sum (fun j => joint i j * ln (p i)) l)
      by (rewrite sum_scale_r; now rewrite (joint_rows i I)).
    rewrite <- sum_plus, <- sum_minus. apply sum_ext. intros; ring. }
  assert (N : forall f : nat -> R, sum (fun i => - f i * ln (f i)) l = - sum (fun i => f i * ln (f i)) l).
  { intros f. rewrite (sum_ext _ (fun i => -1 * (f i * ln (f i)))) by (intros; ring). rewrite sum_scale. ring. }
  rewrite !N. unfold BinaryEntropy. lra.
Qed.
End Coupled.
