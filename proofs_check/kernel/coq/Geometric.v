(** Geometric sums, and how the gap between two powers closes. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums.
Open Scope R_scope.

Definition geometric (x : R) (t : nat) : R := sum (fun i => x ^ i) (seq 0 t).

(** A geometric sum, step by step and closed. *)
Lemma geometric_S : forall x t, geometric x (S t) = x * geometric x t + 1.
Proof.
  intros x t. unfold geometric. simpl seq. rewrite <- seq_shift. simpl sum. rewrite sum_map, <- sum_scale.
  simpl. ring.
Qed.

Lemma geometric_closed : forall x t, geometric x t * (1 - x) = 1 - x ^ t.
Proof.
  intros x t. induction t as [| t I]; [unfold geometric; simpl; ring |].
  rewrite geometric_S. simpl. replace ((x * geometric x t + 1) * (1 - x)) with (x * (geometric x t * (1 - x)) + (1 - x)) by ring.
  rewrite I. ring.
Qed.

Lemma geometric_nonneg : forall x t, 0 <= x -> 0 <= geometric x t.
Proof. intros x t N. apply sum_nonneg. intros i _. now apply pow_le. Qed.

Lemma geometric_at_least_1 : forall x t, 0 <= x -> (0 < t)%nat -> 1 <= geometric x t.
Proof.
  intros x [| t] N T; [lia |]. rewrite geometric_S. pose proof (Rmult_le_pos _ _ N (geometric_nonneg x t N)). lra.
Qed.

(** One step of the inequality of Cauchy-Schwarz. *)
Lemma one_more : forall b1 b2 q M V R g, q * b2 = b1 ^ 2 -> 0 <= q -> 0 <= b2 -> 0 <= R -> 0 <= V -> M ^ 2 <= R * V ->
  (b1 * M + g) ^ 2 <= (q * R + 1) * (b2 * V + g ^ 2).
Proof.
  intros b1 b2 q M V R g E Q B N W L.
  assert (Y : 0 <= q * R * g ^ 2 + b2 * V).
  { apply Rplus_le_le_0_compat; [| now apply Rmult_le_pos]. apply Rmult_le_pos; [now apply Rmult_le_pos | apply pow2_ge_0]. }
  assert (X : 2 * (b1 * M * g) <= q * R * g ^ 2 + b2 * V).
  { apply Rsqr_incr_0_var; [| exact Y]. rewrite !Rsqr_pow2.
    assert (D : 0 <= (q * R * g ^ 2 - b2 * V) ^ 2) by apply pow2_ge_0.
    assert (F : b1 ^ 2 * g ^ 2 * M ^ 2 <= b1 ^ 2 * g ^ 2 * (R * V)).
    { apply Rmult_le_compat_l; [| exact L]. apply Rmult_le_pos; apply pow2_ge_0. }
    rewrite <- E in F at 2. replace ((2 * (b1 * M * g)) ^ 2) with (4 * (b1 ^ 2 * g ^ 2 * M ^ 2)) by ring.
    replace ((q * R * g ^ 2 + b2 * V) ^ 2) with ((q * R * g ^ 2 - b2 * V) ^ 2 + 4 * (q * b2 * g ^ 2 * (R * V))) by ring.
    lra. }
  assert (F : b1 ^ 2 * M ^ 2 <= b1 ^ 2 * (R * V)) by (apply Rmult_le_compat_l; [apply pow2_ge_0 | exact L]).
  rewrite <- E in F at 2.
  replace ((b1 * M + g) ^ 2) with (b1 ^ 2 * M ^ 2 + 2 * (b1 * M * g) + g ^ 2) by ring.
  replace ((q * R + 1) * (b2 * V + g ^ 2)) with (q * b2 * (R * V) + (q * R * g ^ 2 + b2 * V) + g ^ 2) by ring. lra.
Qed.

(** [(y^t - x^t)/(1 - (xy)^t)] falls in [t]. *)
Lemma gap_falls : forall x y t, 0 <= x <= y -> y <= 1 ->
  0 <= (1 - y) * y ^ t * (1 - x * (x ^ t) ^ 2) - (1 - x) * x ^ t * (1 - y * (y ^ t) ^ 2).
Proof.
  intros x y t X Y. induction t as [| t I]; [simpl; lra |].
  set (P := y * y ^ t). set (Q := x * x ^ t).
  assert (N : forall s, 0 <= x ^ s <= y ^ s /\ y ^ s <= 1).
  { intros s. repeat split; [apply pow_le | apply pow_incr | rewrite <- (pow1 s); apply pow_incr]; lra. }
  pose proof (N (S t)) as [[A B] C]. simpl in A, B, C. fold P Q in A, B, C. simpl pow in I |- *. fold P Q.
  assert (PQ : 0 <= 1 - P * Q) by (pose proof (Rmult_le_compat P 1 Q 1 ltac:(lra) A C ltac:(lra)); lra).
  assert (Z : 0 <= x * y * ((1 - y) * y ^ t * (1 - x * (x ^ t) ^ 2) - (1 - x) * x ^ t * (1 - y * (y ^ t) ^ 2))
              + (1 - x) * (1 - y) * ((P - Q) * (1 - P * Q))).
  { apply Rplus_le_le_0_compat; repeat apply Rmult_le_pos; simpl; lra. }
  replace ((1 - y) * P * (1 - x * (Q * (Q * 1))) - (1 - x) * Q * (1 - y * (P * (P * 1)))) with
    (x * y * ((1 - y) * y ^ t * (1 - x * (x ^ t) ^ 2) - (1 - x) * x ^ t * (1 - y * (y ^ t) ^ 2))
              + (1 - x) * (1 - y) * ((P - Q) * (1 - P * Q))) by (unfold P, Q; ring).
  exact Z.
Qed.

Lemma gap_square_falls : forall x y t, 0 <= x <= 1 -> 0 <= y <= 1 ->
  (x * x ^ t - y * y ^ t) ^ 2 * (1 - (x * y) ^ t) ^ 2 <= (x ^ t - y ^ t) ^ 2 * (1 - x * y * (x * y) ^ t) ^ 2.
Proof.
  assert (H : forall x y t, 0 <= x <= y -> y <= 1 ->
    (x * x ^ t - y * y ^ t) ^ 2 * (1 - (x * y) ^ t) ^ 2 <= (x ^ t - y ^ t) ^ 2 * (1 - x * y * (x * y) ^ t) ^ 2).
  { intros x y t X Y. pose proof (gap_falls x y t X Y) as G. rewrite Rpow_mult_distr. set (p := x ^ t) in *. set (q := y ^ t) in *.
    assert (N : forall s, 0 <= x ^ s <= y ^ s /\ y ^ s <= 1).
    { intros s. repeat split; [apply pow_le | apply pow_incr | rewrite <- (pow1 s); apply pow_incr]; lra. }
    pose proof (N t) as [[A B] C]. pose proof (N (S t)) as [[A' B'] C']. simpl in A', B', C'. fold p q in A, B, C, A', B', C'.
    assert (U : 0 <= (y * q - x * p) * (1 - p * q)).
    { apply Rmult_le_pos; [lra |]. pose proof (Rmult_le_compat p 1 q 1 A ltac:(lra) ltac:(lra) C). lra. }
    replace ((x * p - y * q) ^ 2 * (1 - p * q) ^ 2) with (((y * q - x * p) * (1 - p * q)) ^ 2) by ring.
    replace ((p - q) ^ 2 * (1 - x * y * (p * q)) ^ 2) with (((q - p) * (1 - x * y * (p * q))) ^ 2) by ring.
    apply pow_incr. split; [exact U |].
    replace ((q - p) * (1 - x * y * (p * q))) with
      ((y * q - x * p) * (1 - p * q) + ((1 - y) * q * (1 - x * p ^ 2) - (1 - x) * p * (1 - y * q ^ 2))) by ring. lra. }
  intros x y t X Y. destruct (Rle_lt_dec x y) as [L | L]; [apply H; lra |].
  pose proof (H y x t ltac:(lra) ltac:(lra)) as G. rewrite (Rmult_comm y x) in G.
  replace ((x * x ^ t - y * y ^ t) ^ 2) with ((y * y ^ t - x * x ^ t) ^ 2) by ring.
  replace ((x ^ t - y ^ t) ^ 2) with ((y ^ t - x ^ t) ^ 2) by ring. exact G.
Qed.
