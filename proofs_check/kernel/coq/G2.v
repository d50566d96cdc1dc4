(** G2, continuity of entropy: the row and the arbitrary distribution over its keys, coupled both ways. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Matrices Row RowFacts Beside Coupling.
Open Scope R_scope.

(** A sum over a list, by position. *)
Lemma sum_by_position : forall {A : Type} (d : A) (f : A -> R) l,
  sum f l = sum (fun i => f (nth i l d)) (seq 0 (length l)).
Proof.
  intros A d f l. induction l as [| x l I]; [reflexivity |].
  change (length (x :: l)) with (S (length l)). simpl. rewrite <- seq_shift, sum_map, I. reflexivity.
Qed.

Theorem entropies : forall a, possible a -> TV_p a > 0 ->
  Rabs (H a - H_p a) <= TV_p a * ln (k a + m a - 1) + BinaryEntropy (TV_p a).
Proof.
  intros a P D. pose proof (m_pos a P) as M. pose proof (k_pos a P) as K.
  set (none := Key 0 0 0 0). set (n := length (keys a)).
  set (p := fun i => mass a (nth i (keys a) none)). set (q := fun i => chosen a (nth i (keys a) none)).
  assert (N : k a + m a = INR n) by (unfold n, keys, k, m, count; rewrite app_length, plus_INR; ring).
  assert (N2 : (2 <= n)%nat) by (apply INR_le; simpl; lra).
  assert (W : forall i, In i (keys a) -> 0 <= weight i) by now destruct P as (_ & _ & _ & _ & _ & _ & _ & W & _).
  assert (S : 0 < sum weight (keys a)) by now destruct P as (_ & _ & _ & _ & _ & _ & _ & _ & S & _).
  assert (P0 : forall i, In i (seq 0 n) -> 0 <= p i) by (intros i _; left; now apply mass_pos).
  assert (Q0 : forall i, In i (seq 0 n) -> 0 <= q i).
  { intros i I. apply in_seq in I. apply Rmult_le_pos; [apply W, nth_In; unfold n in I; lia | left; now apply Rinv_0_lt_compat]. }
  assert (P1 : sum p (seq 0 n) = 1).
  { unfold p, n. rewrite <- (sum_by_position none (mass a)). unfold keys. rewrite sum_app. fold (F a) (epsilon a). now apply F_and_epsilon. }
  assert (Q1 : sum q (seq 0 n) = 1).
  { unfold q, n. rewrite <- (sum_by_position none (chosen a)). unfold chosen, Rdiv. rewrite sum_scale_r. apply Rinv_r. lra. }
  assert (T : TV_p a = / 2 * sum (fun i => Rabs (p i - q i)) (seq 0 n)) by (unfold TV_p; now rewrite (sum_by_position none)).
  assert (T' : TV_p a = / 2 * sum (fun i => Rabs (q i - p i)) (seq 0 n)).
  { rewrite T. f_equal. apply sum_ext. intros i _. apply Rabs_minus_sym. }
  pose proof (hardly_more_uncertain n p q (TV_p a) N2 P0 Q0 P1 Q1 T D) as A.
  pose proof (hardly_more_uncertain n q p (TV_p a) N2 Q0 P0 Q1 P1 T' D) as B.
  assert (E : H a = sum (fun i => - p i * ln (p i)) (seq 0 n)) by (unfold H; now rewrite (sum_by_position none)).
  assert (E' : H_p a = sum (fun i => - q i * ln (q i)) (seq 0 n)) by (unfold H_p; now rewrite (sum_by_position none)).
  rewrite N. apply Rabs_le. lra.
Qed.
