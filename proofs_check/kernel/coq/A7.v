(** A7, the whole context: the query with the largest ratio of other keys to own ones binds, and which that is. *)
Require Import Reals Lra Lia ZArith List Arith Bool.
From Localist Require Import Functions Sums Context.
From Localist Require Row RowFacts TwoLevel A4.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, possible a /\ m_0 a <= b_w a /\ T a >= b_w a + m_0 a.
Proof.
  exists (Context.Context 3 2 1 (fun _ _ => 0) (1 / 2)). unfold possible, m_0, b_w, T. simpl. repeat split; lra || lia.
Qed.

(** Windows that lie before the last query with enough own keys. *)
Definition windows (a : context) : nat := ((tokens a - own a) / keys a)%nat.

Section Facts.
Variable a : context.
Hypothesis P : possible a.
Hypothesis O : m_0 a <= b_w a.
Hypothesis C : T a >= b_w a + m_0 a.

Lemma sizes : (0 < own a <= keys a)%nat /\ (keys a + own a <= tokens a)%nat.
Proof.
  destruct P as (_ & _ & M & _). unfold m_0, b_w, T in *. split; [split; [exact M | now apply INR_le] |].
  apply INR_le. rewrite plus_INR. lra.
Qed.

Lemma counted_is : forall q, In q (counted a) <-> (q < tokens a)%nat /\ (1 <= outside a q)%nat /\ (own a <= inside a q)%nat.
Proof.
  intros q. unfold counted. rewrite filter_In, in_seq, andb_true_iff, !Nat.leb_le. lia.
Qed.

(** A query's place: whole windows, and its own keys. *)
Lemma outside_is : forall q, outside a q = (keys a * (q / keys a))%nat.
Proof. intros q. pose proof sizes. unfold outside. pose proof (Nat.div_mod q (keys a)). lia. Qed.

Lemma inside_at_most : forall q, (inside a q <= keys a)%nat.
Proof. intros q. pose proof sizes. unfold inside. pose proof (Nat.mod_upper_bound q (keys a)). lia. Qed.

Lemma windows_pos : (1 <= windows a)%nat.
Proof. pose proof sizes. unfold windows. apply Nat.div_le_lower_bound; lia. Qed.

(** No query that counts has more windows before it, or fewer own keys. *)
Lemma ratio_below : forall q, In q (counted a) -> ratio a q <= INR (keys a * windows a) / INR (own a).
Proof.
  intros q I. apply counted_is in I as (L & K & M). pose proof sizes as Z. unfold ratio.
  assert (B : (outside a q <= keys a * windows a)%nat).
  { rewrite outside_is. apply Nat.mul_le_mono_l. unfold windows. apply Nat.div_le_lower_bound; [lia |].
    rewrite <- outside_is. unfold outside, inside in *. pose proof (Nat.mod_le q (keys a)). lia. }
  assert (X : 0 < INR (own a)) by (apply lt_0_INR; lia). apply le_INR in B, M. pose proof (pos_INR (outside a q)).
  apply Rmult_le_compat; trivial; [left; apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra].
Qed.

(** The one that has both: the first of its window to have enough own keys, in the last window that holds one. *)
Definition binding : nat := keys a * windows a + (own a - 1).

Lemma binding_is : outside a binding = (keys a * windows a)%nat /\ inside a binding = own a.
Proof.
  pose proof sizes as Z. unfold outside, inside, binding.
  replace (keys a * windows a + (own a - 1))%nat with (own a - 1 + windows a * keys a)%nat by lia.
  rewrite Nat.mod_add, Nat.mod_small by lia. lia.
Qed.

Lemma binding_counted : In binding (counted a).
Proof.
  pose proof sizes as Z. pose proof windows_pos as W. destruct binding_is as [E F]. apply counted_is. rewrite E, F. repeat split; try lia.
  - unfold binding. assert (keys a * windows a <= tokens a - own a)%nat by (unfold windows; apply Nat.mul_div_le; lia). lia.
  - assert (1 * 1 <= keys a * windows a)%nat by (apply Nat.mul_le_mono; lia). lia.
Qed.

Lemma counted_not_empty : counted a <> [].
Proof. pose proof binding_counted as B. intros E. now rewrite E in B. Qed.

Lemma binding_ratio : ratio a binding = INR (keys a * windows a) / INR (own a).
Proof. unfold ratio. now destruct binding_is as [-> ->]. Qed.

(** The closed form. *)
Definition worst : R := b_w a * floor ((T a - m_0 a) / b_w a) / m_0 a.

Lemma floor_is : floor ((T a - m_0 a) / b_w a) = INR (windows a).
Proof.
  pose proof sizes as Z. unfold floor, T, m_0, b_w. rewrite <- minus_INR by lia. set (n := (tokens a - own a)%nat).
  assert (K : 0 < INR (keys a)) by (apply lt_0_INR; lia).
  assert (D : INR n = INR (keys a) * INR (windows a) + INR (n mod keys a)).
  { unfold windows. fold n. rewrite <- mult_INR, <- plus_INR. f_equal. apply Nat.div_mod. lia. }
  assert (M : 0 <= INR (n mod keys a) < INR (keys a)).
  { split; [apply pos_INR |]. apply lt_INR, Nat.mod_upper_bound. lia. }
  pose proof (base_Int_part (INR n / INR (keys a))) as [U V].
  assert (X : INR n / INR (keys a) = INR (windows a) + INR (n mod keys a) / INR (keys a)) by (rewrite D; field; lra).
  assert (Y : 0 <= INR (n mod keys a) / INR (keys a) < 1).
  { split; [apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat] |].
    apply (Rmult_lt_reg_r (INR (keys a))); [exact K |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  rewrite (INR_IZR_INZ (windows a)) in *. apply f_equal, Z.le_antisymm; apply Z.lt_succ_r, lt_IZR; rewrite succ_IZR; lra.
Qed.

Lemma worst_is : worst = INR (keys a * windows a) / INR (own a).
Proof. unfold worst. rewrite floor_is, mult_INR. reflexivity. Qed.

Lemma worst_pos : 0 < worst.
Proof.
  rewrite worst_is. pose proof sizes as Z. pose proof windows_pos as W. apply Rdiv_lt_0_compat; apply lt_0_INR; [| lia].
  assert (1 * 1 <= keys a * windows a)%nat by (apply Nat.mul_le_mono; lia). lia.
Qed.

Lemma ratio_at_most : forall q, In q (counted a) -> ratio a q <= worst.
Proof. intros q I. rewrite worst_is. now apply ratio_below. Qed.

Lemma ratio_pos : forall q, In q (counted a) -> 0 < ratio a q.
Proof. intros q I. apply counted_is in I as (_ & K & _). apply Rdiv_lt_0_compat; apply lt_0_INR; unfold inside; lia. Qed.

(** A query's row. *)
Lemma row_possible : forall q, In q (counted a) -> Row.possible (row_of a q).
Proof.
  intros q I. apply counted_is in I as (_ & K & _). apply TwoLevel.ones_possible.
  - unfold inside. simpl. discriminate.
  - destruct (outside a q); [lia | discriminate].
  - intros i J. rewrite <- map_app in J. apply in_map_iff in J as (j & <- & _). reflexivity.
Qed.

Lemma sizes_of_row : forall q, Row.m (row_of a q) = INR (inside a q) /\ Row.k (row_of a q) = INR (outside a q).
Proof. intros q. unfold Row.m, Row.k, row_of, count. simpl. now rewrite !map_length, !seq_length. Qed.

(** The size term of its leak is its ratio. *)
Lemma size_term : forall q, In q (counted a) -> - ln (Row.m (row_of a q) / Row.k (row_of a q)) = ln (ratio a q).
Proof.
  intros q I. destruct (sizes_of_row q) as [-> ->]. unfold ratio. apply counted_is in I as (_ & K & _).
  assert (0 < INR (outside a q)) by (apply lt_0_INR; lia). assert (0 < INR (inside a q)) by (apply lt_0_INR; unfold inside; lia).
  rewrite !ln_quotient by lra. ring.
Qed.

Lemma level_leak : forall q, In q (counted a) -> Row.epsilon (level_row a q) = Logistic (ln (ratio a q) - d_T a).
Proof.
  intros q I. unfold level_row. rewrite TwoLevel.epsilon_at by now apply row_possible. f_equal. pose proof (size_term q I). lra.
Qed.

(** Every query has the separation that is known. *)
Lemma separated : forall q, In q (counted a) -> d_T a <= Row.Delta (row_of a q).
Proof.
  intros q I. pose proof (row_possible q I) as Q. pose proof (RowFacts.d_le_mean _ Q). pose proof (RowFacts.d_mean_le_Delta _ Q).
  pose proof (above_least (fun q => Row.d (row_of a q)) (counted a) q I) as B. cbv beta in B. unfold d_T. lra.
Qed.

Lemma below_level : forall q, In q (counted a) -> Row.epsilon (row_of a q) <= Row.epsilon (level_row a q).
Proof.
  intros q I. pose proof (row_possible q I) as Q. unfold level_row. rewrite TwoLevel.epsilon_at by exact Q.
  apply RowFacts.epsilon_below; [exact Q | now apply separated].
Qed.

Lemma most_is : epsilon_most a = Logistic (ln worst - d_T a).
Proof.
  apply Rle_antisym.
  - destruct (largest_attained (fun q => Row.epsilon (level_row a q)) (counted a) counted_not_empty) as (q & I & E).
    unfold epsilon_most. rewrite E, level_leak by exact I. apply logistic_le.
    pose proof (ln_le _ _ (ratio_pos q I) (ratio_at_most q I)). lra.
  - pose proof (below_largest (fun q => Row.epsilon (level_row a q)) (counted a) _ binding_counted) as B. cbv beta in B.
    rewrite level_leak, binding_ratio, <- worst_is in B by exact binding_counted. exact B.
Qed.

Lemma every_below : epsilon_T a <= epsilon_most a.
Proof.
  destruct (largest_attained (fun q => Row.epsilon (row_of a q)) (counted a) counted_not_empty) as (q & I & E).
  unfold epsilon_T. rewrite E. eapply Rle_trans; [now apply below_level |].
  exact (below_largest (fun q => Row.epsilon (level_row a q)) (counted a) q I).
Qed.

Lemma kept_iff : epsilon_most a <= epsilon_target a <-> d_T a >= ln worst + Logit (1 - epsilon_target a).
Proof.
  destruct P as (_ & _ & _ & E). rewrite most_is, logistic_le_iff, logit_complement by exact E. split; lra.
Qed.

(** One query's leak against the target is its ratio against a bound. *)
Lemma kept_by_ratio : forall q, In q (counted a) ->
  Row.epsilon (level_row a q) <= epsilon_target a <-> ratio a q <= epsilon_target a * exp (d_T a) / (1 - epsilon_target a).
Proof.
  intros q I. destruct P as (_ & _ & _ & E). rewrite level_leak, logistic_le_iff by trivial. pose proof (ratio_pos q I) as R.
  pose proof (exp_pos (d_T a)) as X.
  assert (L : epsilon_target a * exp (d_T a) / (1 - epsilon_target a) = exp (Logit (epsilon_target a) + d_T a)).
  { rewrite exp_plus. unfold Logit. rewrite exp_ln by (apply Rdiv_lt_0_compat; lra). field. lra. }
  rewrite L. split; intros B.
  - rewrite <- (exp_ln (ratio a q)) by exact R. apply exp_le. lra.
  - apply ln_le in B; [| exact R]. rewrite ln_exp in B. lra.
Qed.
End Facts.

Theorem largest_ratio : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a ->
  rho_T a = b_w a * floor ((T a - m_0 a) / b_w a) / m_0 a.
Proof.
  intros a P O C. fold (worst a). apply Rle_antisym.
  - destruct (largest_attained (ratio a) (counted a) (counted_not_empty a P O C)) as (q & I & E).
    unfold rho_T. rewrite E. now apply ratio_at_most.
  - rewrite worst_is, <- (binding_ratio a) by trivial. apply below_largest. now apply binding_counted.
Qed.

Theorem every_query : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a -> epsilon_T a <= epsilon_most a.
Proof. exact every_below. Qed.

Theorem binding_query : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a ->
  epsilon_most a = Logistic (- d_T a + ln (b_w a * floor ((T a - m_0 a) / b_w a) / m_0 a)).
Proof. intros a P O C. rewrite most_is by trivial. f_equal. fold (worst a). ring. Qed.

Theorem iff : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a ->
  ((d_T a >= ln (b_w a * floor ((T a - m_0 a) / b_w a) / m_0 a) + Logit (1 - epsilon_target a))
   <-> (epsilon_most a <= epsilon_target a)).
Proof. intros a P O C. fold (worst a). symmetry. now apply kept_iff. Qed.

Theorem sufficient : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a ->
  d_T a >= ln (b_w a * floor ((T a - m_0 a) / b_w a) / m_0 a) + Logit (1 - epsilon_target a) ->
  epsilon_T a <= epsilon_target a.
Proof.
  intros a P O C D. eapply Rle_trans; [now apply every_below |]. now apply kept_iff.
Qed.

Theorem share : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a -> share_T a = share_rho a.
Proof.
  intros a P O C. unfold share_T, share_rho. f_equal. apply sum_ext. intros q I. pose proof (kept_by_ratio a P q I) as [U V].
  destruct (Rle_dec (Row.epsilon (level_row a q)) (epsilon_target a)) as [L | L];
    destruct (Rle_dec (ratio a q) (epsilon_target a * exp (d_T a) / (1 - epsilon_target a))) as [M | M]; trivial; tauto.
Qed.

Theorem entropy : forall a, possible a -> m_0 a <= b_w a -> T a >= b_w a + m_0 a -> d_T a >= 0 -> H_T a <= H_most a.
Proof.
  intros a P O C N.
  destruct (largest_attained (fun q => Row.H (row_of a q)) (counted a) (counted_not_empty a P O C)) as (q & I & E).
  unfold H_T. rewrite E. assert (Q : Row.possible (row_of a q)) by (eapply row_possible; eassumption).
  assert (S : d_T a <= Row.Delta (row_of a q)) by (eapply separated; eassumption).
  eapply Rle_trans; [exact (A4.given_leak (row_of a q) (d_T a) Q N S) |].
  rewrite <- TwoLevel.H_at by exact Q. exact (below_largest (fun q => Row.H (level_row a q)) (counted a) q I).
Qed.
