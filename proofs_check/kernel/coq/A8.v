(** A8: counted keys weigh at least their least, the others outside at most their largest; any choice may be made. *)
Require Import Reals Lra Lia List Permutation.
From Localist Require Import Functions Sums Chosen.
Import ListNotations.
Open Scope R_scope.

Lemma boltzmann_pos : forall a s, 0 < boltzmann a s.
Proof. intros. apply exp_pos. Qed.

Lemma boltzmann_le : forall a s t, possible a -> s <= t -> boltzmann a s <= boltzmann a t.
Proof.
  intros a s t (_ & _ & T) L. apply exp_le. unfold Rdiv.
  apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | exact L].
Qed.

(** The leak through the two sums of exponentials. *)
Lemma epsilon_is : forall a,
  epsilon a = sum (boltzmann a) (others a) / (sum (boltzmann a) (block a) + sum (boltzmann a) (others a)).
Proof. intros a. unfold epsilon, mass. rewrite sum_app. unfold Rdiv. apply sum_scale_r. Qed.

(** The other keys' largest weight over the counted keys' least. *)
Lemma gap : forall a, possible a -> boltzmann a (highest a) = boltzmann a (lowest a) * exp (- d_rest a).
Proof.
  intros a (_ & _ & T). unfold boltzmann, d_rest. rewrite <- exp_plus. f_equal. field. lra.
Qed.

(** What the bound takes for the weight outside, over that of the least key counted. *)
Definition taken (a : chosen) : R := W_out a + k_rest a * exp (- d_rest a).

Lemma singled_weight : forall a, sum (boltzmann a) (singled a) = boltzmann a (lowest a) * W_out a.
Proof. intros a. unfold W_out. pose proof (boltzmann_pos a (lowest a)). field. lra. Qed.

Lemma weight_inside : forall a, possible a -> boltzmann a (lowest a) * m_kept a <= sum (boltzmann a) (block a).
Proof.
  intros a P. unfold block, m_kept. rewrite sum_app, Rmult_comm.
  pose proof (sum_nonneg (boltzmann a) (uncounted a) (fun s _ => Rlt_le _ _ (boltzmann_pos a s))).
  pose proof (sum_above (boltzmann a) (counted a) (boltzmann a (lowest a))
    (fun s I => boltzmann_le a _ _ P (above_least (fun s => s) _ s I))).
  lra.
Qed.

Lemma weight_outside : forall a, possible a -> sum (boltzmann a) (others a) <= boltzmann a (lowest a) * taken a.
Proof.
  intros a P. unfold others, taken, k_rest. rewrite sum_app, singled_weight, Rmult_plus_distr_l.
  pose proof (sum_below (boltzmann a) (remaining a) (boltzmann a (highest a))
    (fun s I => boltzmann_le a _ _ P (below_largest (fun s => s) _ s I))) as B.
  rewrite (gap a P) in B. lra.
Qed.

Lemma others_pos : forall a, possible a -> 0 < sum (boltzmann a) (others a).
Proof.
  intros a (_ & N & _). apply sum_pos; [| intros; apply boltzmann_pos].
  unfold others. intros E. apply app_eq_nil in E. tauto.
Qed.

Lemma m_kept_pos : forall a, possible a -> 1 <= m_kept a.
Proof. intros a (N & _). now apply count_at_least_1. Qed.

(** Less outside and more inside leak less. *)
Lemma leak_le : forall out inside more less b, 0 < b -> 0 < out -> out <= b * more -> 0 < less -> b * less <= inside ->
  out / (inside + out) <= more / (more + less).
Proof.
  intros out inside more less b B O M L I.
  assert (0 < more) by (apply (Rmult_lt_reg_l b); lra).
  assert (0 < b * less) by now apply Rmult_lt_0_compat.
  apply (Rmult_le_reg_r (inside + out)); [lra |]. apply (Rmult_le_reg_r (more + less)); [lra |].
  replace (out / (inside + out) * (inside + out) * (more + less)) with (out * more + out * less) by (field; lra).
  replace (more / (more + less) * (inside + out) * (more + less)) with (more * inside + out * more) by (field; lra).
  assert (out * less <= b * more * less) by (apply Rmult_le_compat_r; lra).
  assert (more * (b * less) <= more * inside) by (apply Rmult_le_compat_l; lra).
  lra.
Qed.

Theorem any_choice : forall a, possible a ->
  epsilon a <= (W_out a + k_rest a * exp (- d_rest a)) / (W_out a + k_rest a * exp (- d_rest a) + m_kept a).
Proof.
  intros a P. rewrite epsilon_is. fold (taken a). pose proof (m_kept_pos a P).
  apply (leak_le _ _ _ _ (boltzmann a (lowest a)));
    [apply boltzmann_pos | now apply others_pos | now apply weight_outside | lra | now apply weight_inside].
Qed.

(** Sorting keeps the keys. *)
Lemma inserted_keeps : forall l s, Permutation (s :: l) (inserted s l).
Proof.
  intros l. induction l as [| t l' K]; intros s; simpl; [reflexivity |]. rewrite <- (K (Rmin s t)).
  unfold Rmax, Rmin. destruct (Rle_dec s t); [apply perm_swap | reflexivity].
Qed.

Lemma sorted_keeps : forall l, Permutation l (sorted l).
Proof. intros l. induction l as [| s l' K]; simpl; [reflexivity |]. rewrite K at 1. apply inserted_keeps. Qed.

Lemma sum_permuted : forall (f : R -> R) l l', Permutation l l' -> sum f l = sum f l'.
Proof. intros f l l' K. induction K; simpl; lra. Qed.

Lemma block_sorted : forall a, block (with_largest a) = sorted (block a).
Proof. intros a. apply firstn_skipn. Qed.

Lemma others_sorted : forall a, others (with_largest a) = sorted (others a).
Proof. intros a. apply firstn_skipn. Qed.

Lemma same_leak : forall a, epsilon (with_largest a) = epsilon a.
Proof.
  intros a. rewrite !epsilon_is, block_sorted, others_sorted.
  change (boltzmann (with_largest a)) with (boltzmann a).
  now rewrite <- (sum_permuted _ _ _ (sorted_keeps (block a))), <- (sum_permuted _ _ _ (sorted_keeps (others a))).
Qed.

Lemma as_many_counted : forall a, length (counted (with_largest a)) = length (counted a).
Proof.
  intros a. simpl. rewrite firstn_length, <- (Permutation_length (sorted_keeps (block a))).
  unfold block. rewrite app_length. lia.
Qed.

Lemma as_many_remaining : forall a, length (remaining (with_largest a)) = length (remaining a).
Proof.
  intros a. simpl. rewrite skipn_length, <- (Permutation_length (sorted_keeps (others a))).
  unfold others. rewrite app_length. lia.
Qed.

Lemma possible_sorted : forall a, possible a -> possible (with_largest a).
Proof.
  intros a (C & N & T). repeat split; [| | exact T].
  - intros E. apply C, length_zero_iff_nil. rewrite <- as_many_counted, E. reflexivity.
  - intros E. apply N, length_zero_iff_nil. rewrite <- as_many_remaining, E. reflexivity.
Qed.

Theorem quantiles : forall a, possible a ->
  epsilon a <= (W_top a + k_rest a * exp (- d_top a)) / (W_top a + k_rest a * exp (- d_top a) + m_kept a).
Proof.
  intros a P. pose proof (any_choice _ (possible_sorted a P)) as B.
  rewrite same_leak in B. unfold m_kept, k_rest, count in *.
  now rewrite as_many_counted, as_many_remaining in B.
Qed.

Theorem attained : forall a, possible a ->
  epsilon_levels a = (W_out a + k_rest a * exp (- d_rest a)) / (W_out a + k_rest a * exp (- d_rest a) + m_kept a).
Proof.
  intros a P. unfold epsilon_levels. rewrite epsilon_is. unfold block, others.
  change (boltzmann (levelled a)) with (boltzmann a). simpl.
  rewrite app_nil_r, sum_app, !sum_map, !sum_const, singled_weight, (gap a P).
  fold (m_kept a) (k_rest a).
  pose proof (boltzmann_pos a (lowest a)) as B. pose proof (m_kept_pos a P).
  assert (0 <= W_out a).
  { unfold W_out. apply Rmult_le_pos; [| left; now apply Rinv_0_lt_compat].
    apply sum_nonneg. intros s _. left. apply boltzmann_pos. }
  assert (0 <= k_rest a * exp (- d_rest a)).
  { apply Rmult_le_pos; [apply pos_INR | left; apply exp_pos]. }
  field. split; [lra |]. apply Rgt_not_eq.
  assert (0 <= boltzmann a (lowest a) * W_out a) by (apply Rmult_le_pos; lra).
  assert (0 < boltzmann a (lowest a) * m_kept a) by (apply Rmult_lt_0_compat; lra).
  assert (0 <= boltzmann a (lowest a) * (k_rest a * exp (- d_rest a))) by (apply Rmult_le_pos; lra).
  lra.
Qed.
