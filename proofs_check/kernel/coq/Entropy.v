(** The entropy of a row, split over block and complement, and bounded by cross-entropies (Gibbs). *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Open Scope R_scope.

(** Entropy of masses within their total: [-sum (a/t) log (a/t)], times [t], in terms of [-sum a log a]. *)
Lemma conditional_entropy : forall (f : key -> R) l t, 0 < t -> (forall i, In i l -> 0 < f i) -> sum f l = t ->
  t * sum (fun i => surprise (f i / t)) l = sum (fun i => surprise (f i)) l + t * ln t.
Proof.
  intros f l t T Q S. rewrite <- sum_scale. replace (t * ln t) with (sum f l * ln t) by now rewrite S.
  rewrite <- sum_scale_r, <- sum_plus.
  apply sum_ext. intros i I. unfold surprise. rewrite ln_quotient by auto. field. lra.
Qed.

Section Entropy.
Variable a : row.
Hypothesis P : possible a.

Definition part (l : list key) : R := sum (fun i => surprise (mass a i)) l.

Lemma H_split : H a = part (block a) + part (others a).
Proof. apply sum_app. Qed.

Lemma masses_nonneg : forall l i, In i l -> 0 <= mass a i.
Proof. intros l i _. left. now apply mass_pos. Qed.

(** Entropy given the block, and given the complement. *)
Lemma H_B_is : F a * H_B a = part (block a) + F a * ln (F a).
Proof.
  apply conditional_entropy; [now apply F_inside | intros; now apply mass_pos | reflexivity].
Qed.

Lemma H_C_is : epsilon a * H_C a = part (others a) + epsilon a * ln (epsilon a).
Proof.
  apply conditional_entropy; [now apply epsilon_inside | intros; now apply mass_pos | reflexivity].
Qed.

(** The chain rule. *)
Lemma chain_rule : H a = F a * H_B a + epsilon a * H_C a + BinaryEntropy (epsilon a).
Proof.
  rewrite H_B_is, H_C_is, H_split. unfold BinaryEntropy.
  replace (1 - epsilon a) with (F a) by (pose proof (F_and_epsilon a P); lra). ring.
Qed.

(** Cross-entropy against one level in the block and one outside, summing to 1. *)
Lemma below_two_levels : forall p q, 0 < p -> 0 < q -> m a * p + k a * q = 1 ->
  H a <= - F a * ln p - epsilon a * ln q.
Proof.
  intros p q Q R S. rewrite H_split.
  pose proof (gibbs_level (mass a) p (block a) (masses_nonneg _) Q) as G.
  pose proof (gibbs_level (mass a) q (others a) (masses_nonneg _) R) as K.
  fold (F a) (m a) in G. fold (epsilon a) (k a) in K. fold (part (block a)) in G. fold (part (others a)) in K.
  unfold surprise in *. pose proof (F_and_epsilon a P). unfold part, surprise. lra.
Qed.

(** Levels [x] nats apart: the linear bound in the leak from which every bound by a margin follows. *)
Lemma below_levels_apart : forall x, H a <= ln (k a * exp (- x) + m a) + x * epsilon a.
Proof.
  intros x. set (w := k a * exp (- x) + m a). pose proof (m_pos a P). pose proof (k_pos a P).
  pose proof (exp_pos (- x)) as E. assert (0 < k a * exp (- x)) by (apply Rmult_lt_0_compat; lra).
  assert (W : 0 < w) by (unfold w; lra).
  pose proof (below_two_levels (1 / w) (exp (- x) / w)) as B.
  rewrite !ln_quotient, ln_1, ln_exp in B by lra. pose proof (F_and_epsilon a P) as S.
  replace (F a) with (1 - epsilon a) in B by lra.
  assert (T : m a * (1 / w) + k a * (exp (- x) / w) = 1) by (unfold w in *; field; lra).
  specialize (B ltac:(apply Rdiv_lt_0_compat; lra) ltac:(apply Rdiv_lt_0_compat; lra) T). lra.
Qed.
End Entropy.
