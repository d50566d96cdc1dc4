(** E4, a checker replaced while it runs: means over the times, and a Beta bound for the misses of each version. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Checker Reloaded.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, possible a /\ alpha_sum a <= alpha_E a.
Proof.
  exists (Reloaded [Version [Situation 1 true 0 1] 1 1 (1 / 4) 0] 0 (1 / 2)).
  split; [split; [| split; [| split; [| split]]] |]; unfold alpha_sum; simpl; try lra; auto; intros v [<- | []]; simpl; try lra.
  - intros i [<- | []]. simpl. lra.
  - discriminate.
Qed.

Section Checkers.
Variable l : checker.
Hypothesis P : Checker.possible l.
Hypothesis N : caught l <> [].

Lemma weight_pos : 0 < sum weight l.
Proof. apply sum_pos; [intros E; now rewrite E in N | intros i I; now apply P]. Qed.

Lemma q_inside : 0 <= q l <= 1.
Proof.
  pose proof weight_pos as W. unfold q, average. split.
  - apply Rmult_le_pos; [| left; now apply Rinv_0_lt_compat]. apply sum_nonneg. intros i I.
    apply Rmult_le_pos; [left; now apply P | destruct (fired i); lra].
  - apply (Rmult_le_reg_r (sum weight l)); [exact W |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l by lra.
    apply sum_le. intros i I. destruct (P i I) as (L & _). destruct (fired i); lra.
Qed.

(** The promise times the share that is caught, as an average. *)
Lemma promised : forall p, average (fun i => p * (if fired i then 1 else 0)) l = p * (1 - q l).
Proof.
  intros p. pose proof weight_pos as W. unfold q, average.
  rewrite (sum_ext _ (fun i => p * weight i - p * (weight i * (if fired i then 0 else 1)))).
  - rewrite sum_minus, !sum_scale. field. lra.
  - intros i _. destruct (fired i); ring.
Qed.

Lemma at_least_is : forall p, E_F (at_least p l) = p * (1 - q l).
Proof.
  intros p. rewrite <- promised. unfold E_F, average, at_least. rewrite !sum_map. f_equal.
  apply sum_ext. intros i _. unfold got. simpl. destruct (fired i); ring.
Qed.

Lemma promise_least : forall i, In i l -> fired i = true -> Checker.f l <= ruled i.
Proof. intros i I F. apply (above_least ruled (caught l)). now apply filter_In. Qed.

Lemma kept : Checker.f l * (1 - q l) <= E_F l.
Proof.
  rewrite <- promised. pose proof weight_pos as W. apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |].
  apply sum_le. intros i I. destruct (P i I) as (L & O & _). apply Rmult_le_compat_l; [lra |].
  unfold got. destruct (fired i) eqn:F; [| lra]. pose proof (promise_least i I F). lra.
Qed.

Lemma promise_nonneg : 0 <= Checker.f l.
Proof.
  destruct (least_attained ruled (caught l) N) as (i & I & E). unfold Checker.f. rewrite E.
  apply filter_In in I as [I _]. now apply P.
Qed.
End Checkers.

(** The chance of few misses falls in their share at the rate of the Beta density. *)
Lemma fact_pos : forall n, 0 < INR (fact n).
Proof. intros n. apply lt_0_INR, lt_O_fact. Qed.

Lemma few_slope : forall n i x, (i < n)%nat -> is_derive (fun t => few n t i) x (- density n i x).
Proof.
  intros n i x. induction i as [| i I]; intros L.
  - apply (is_derive_ext (fun t => (1 - t) ^ n)).
    + intros t. unfold few, chance. simpl sum. rewrite Nat.sub_0_r. unfold Binomial.C. rewrite Nat.sub_0_r. simpl.
      pose proof (fact_pos n). field. lra.
    + auto_derive; [trivial |]. unfold density. simpl. replace (n - 0 - 1)%nat with (pred n) by lia.
      destruct n as [| n]; [lia |]. simpl pred. rewrite fact_simpl, mult_INR.
      pose proof (fact_pos n). change (1 + - x) with (1 - x). field. lra.
  - specialize (I ltac:(lia)).
    apply (is_derive_ext (fun t => few n t i + chance n t (S i))).
    { intros t. unfold few. rewrite (seq_S (S i)), sum_app. simpl. ring. }
    destruct (Nat.le_exists_sub (S (S i)) n ltac:(lia)) as (k & K & _).
    assert (E : - density n (S i) x = - density n i x
      + Binomial.C n (S i) * (INR (S i) * x ^ i * (1 - x) ^ (S k) - x ^ S i * (INR (S k) * (1 - x) ^ k))).
    { unfold density, Binomial.C. replace (n - S i - 1)%nat with k by lia. replace (n - i - 1)%nat with (S k) by lia.
      replace (n - S i)%nat with (S k) by lia. rewrite (fact_simpl i), (fact_simpl k), !mult_INR. simpl pow.
      pose proof (fact_pos i). pose proof (fact_pos k).
      assert (0 < INR (S i)) by (apply lt_0_INR; lia). assert (0 < INR (S k)) by (apply lt_0_INR; lia).
      field. repeat split; lra. }
    rewrite E. apply (is_derive_plus (fun t => few n t i)); [exact I |].
    unfold chance. replace (n - S i)%nat with (S k) by lia. auto_derive; [trivial |]. simpl pred. change (1 + - x) with (1 - x).
    generalize (Binomial.C n (S i)). intros w. destruct i, k; simpl; ring.
Qed.

Lemma few_at_0 : forall n i, few n 0 i = 1.
Proof.
  intros n i. unfold few. simpl seq. simpl sum. rewrite (sum_ext _ (fun _ => 0)).
  - rewrite sum_const. unfold chance, Binomial.C. rewrite Nat.sub_0_r. simpl pow. rewrite Rminus_0_r, pow1. simpl.
    pose proof (fact_pos n). field. lra.
  - intros j J. apply in_seq in J. unfold chance. rewrite pow_i by lia. ring.
Qed.

(** So the Beta probability is that of more misses. *)
Lemma beta_is : forall n i x, (i < n)%nat -> beta_chance n i x = 1 - few n x i.
Proof.
  intros n i x L. apply is_RInt_unique. replace (1 - few n x i) with (- few n x i - - few n 0 i) by (rewrite few_at_0; ring).
  apply (is_RInt_derive (fun t => - few n t i) (density n i)).
  - intros t _. rewrite <- (Ropp_involutive (density n i t)). apply (is_derive_opp (fun t => few n t i)).
    now apply few_slope.
  - intros t _. apply (ex_derive_continuous (density n i)). unfold density. auto_derive. trivial.
Qed.

Lemma chance_nonneg : forall n x i, 0 <= x <= 1 -> 0 <= chance n x i.
Proof.
  intros n x i X. unfold chance. apply Rmult_le_pos; [apply Rmult_le_pos |]; try (apply pow_le; lra).
  unfold Binomial.C. left. apply Rdiv_lt_0_compat; [apply fact_pos | apply Rmult_lt_0_compat; apply fact_pos].
Qed.

(** The counts at which a bound fails are the smallest ones, and together less likely than the error. *)
Lemma uncovered_below : forall v, 0 < error v -> 0 <= q (check v) <= 1 -> uncovered v <= error v.
Proof.
  intros v E Q. unfold uncovered. set (x := q (check v)) in *. set (n := measured v).
  assert (G : forall k, (k <= n)%nat -> let s := sum (fun i => if Rlt_dec (1 - error v) (beta_chance n i x)
    then chance n x i else 0) (seq 0 k) in s <= error v /\ s <= sum (chance n x) (seq 0 k)).
  { induction k as [| k I]; intros K; [simpl; lra |]. destruct (I ltac:(lia)) as [A B].
    rewrite seq_S, !sum_app. simpl.
    pose proof (chance_nonneg n x k Q). destruct Rlt_dec as [L | L]; [| simpl; lra].
    rewrite beta_is in L by lia. unfold few in L. rewrite seq_S, sum_app in L. simpl in L. lra. }
  apply (G n). lia.
Qed.

Section Facts.
Variable a : reloaded.
Hypothesis P : possible a.

Lemma at_work_in : forall v, In v (at_work a) -> In v (versions a).
Proof. intros v I. apply in_flat_map in I as (w & W & I). apply repeat_spec in I. now subst. Qed.

Lemma at_work_not_empty : at_work a <> [].
Proof. destruct P as (_ & _ & L & _). intros E. rewrite E in L. simpl in L. lia. Qed.

Lemma T_pos : 1 <= T_q a.
Proof. apply count_at_least_1, at_work_not_empty. Qed.

Lemma sound : forall v, In v (at_work a) -> Checker.possible (check v) /\ caught (check v) <> [].
Proof. intros v I. apply at_work_in in I. split; now apply P. Qed.

(** Means over the times rise with their terms. *)
Lemma mean_le : forall g h, (forall v, In v (at_work a) -> g v <= h v) -> mean g (at_work a) <= mean h (at_work a).
Proof.
  intros g h L. pose proof T_pos. apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; fold (T_q a); lra |].
  now apply sum_le.
Qed.

Lemma mean_ext : forall g h, (forall v, In v (at_work a) -> g v = h v) -> mean g (at_work a) = mean h (at_work a).
Proof. intros g h L. unfold mean. f_equal. now apply sum_ext. Qed.

Lemma f_below : forall v, In v (at_work a) -> f a <= Checker.f (check v).
Proof. intros v I. apply (above_least (fun v => Checker.f (check v))). now apply at_work_in. Qed.

Lemma f_nonneg : 0 <= f a.
Proof.
  destruct (least_attained (fun v => Checker.f (check v)) (versions a)) as (v & I & E).
  - pose proof at_work_not_empty as N. unfold at_work in N. intros E. now rewrite E in N.
  - unfold f. rewrite E. apply promise_nonneg; now apply P.
Qed.

Lemma mean_of_caught : forall p h, mean (fun v => p * (1 - h v)) (at_work a) = p * (1 - mean h (at_work a)).
Proof.
  intros p h. pose proof T_pos as T. unfold mean. rewrite sum_scale, sum_minus, sum_const. fold (T_q a). field. lra.
Qed.

Lemma fidelity_above : f a * (1 - q_mean a) <= E_T a.
Proof.
  unfold q_mean. rewrite <- mean_of_caught. apply mean_le. intros v I. destruct (sound v I) as [S N].
  eapply Rle_trans; [| now apply kept]. pose proof (q_inside _ S N). apply Rmult_le_compat_r; [lra | now apply f_below].
Qed.

Lemma misses_below : forall y, q_mean a <= y -> f a * (1 - y) <= E_T a.
Proof.
  intros y L. eapply Rle_trans; [| apply fidelity_above]. apply Rmult_le_compat_l; [apply f_nonneg | lra].
Qed.

(** At most every case is missed at the first times. *)
Lemma late_below : q_mean a <= T_early a / T_q a + q_late a.
Proof.
  pose proof T_pos as T. destruct P as (_ & _ & L & _). apply (Rmult_le_reg_r (T_q a)); [lra |].
  replace ((T_early a / T_q a + q_late a) * T_q a) with (T_early a + q_late a * T_q a) by (field; lra).
  unfold q_mean, mean. fold (T_q a). unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  rewrite <- (firstn_skipn (early a) (at_work a)) at 1. rewrite sum_app.
  assert (S : skipn (early a) (at_work a) <> []).
  { intros E. pose proof (skipn_length (early a) (at_work a)) as K. rewrite E in K. simpl in K. lia. }
  assert (I : forall v, In v (firstn (early a) (at_work a)) \/ In v (skipn (early a) (at_work a)) -> 0 <= q (check v) <= 1).
  { intros v I. assert (J : In v (at_work a)) by (rewrite <- (firstn_skipn (early a) (at_work a)); now apply in_or_app).
    destruct (sound v J). now apply q_inside. }
  assert (Q : 0 <= q_late a).
  { unfold q_late. destruct (largest_attained (fun v => q (check v)) _ S) as (v & V & ->). apply I. now right. }
  apply Rplus_le_compat.
  - eapply Rle_trans; [apply (sum_below _ _ 1); intros; now apply I; left |]. unfold count.
    rewrite firstn_length_le by lia. unfold T_early. lra.
  - eapply Rle_trans; [apply (sum_below _ _ (q_late a)) |].
    + intros v V. exact (below_largest (fun v => q (check v)) _ v V).
    + rewrite Rmult_comm. apply Rmult_le_compat_l; [exact Q |]. unfold T_q, count. rewrite skipn_length.
      apply le_INR. lia.
Qed.

Lemma uncovered_all : sum uncovered (versions a) <= alpha_sum a.
Proof.
  apply sum_le. intros v I. destruct P as (S & N & _ & E & _). apply uncovered_below; [now apply E |].
  apply q_inside; [now apply S | now apply N].
Qed.
End Facts.

Theorem attained : forall a, possible a -> alpha_sum a <= alpha_E a -> E_least a = f a * (1 - q_mean a).
Proof.
  intros a P _. unfold q_mean. rewrite <- (mean_of_caught a P). apply mean_ext. intros v I.
  destruct (sound a P v I). now apply at_least_is.
Qed.

Theorem at_least : forall a, possible a -> alpha_sum a <= alpha_E a -> E_T a >= f a * (1 - q_mean a).
Proof. intros a P _. apply Rle_ge. now apply fidelity_above. Qed.

Theorem own_promises : forall a, possible a -> alpha_sum a <= alpha_E a -> E_T a >= E_kept a.
Proof.
  intros a P _. apply Rle_ge, mean_le; [exact P |]. intros v I. destruct (sound a P v I).
  rewrite at_least_is by trivial. now apply kept.
Qed.

Theorem late_misses : forall a, possible a -> alpha_sum a <= alpha_E a ->
  E_T a >= f a * (- T_early a / T_q a - q_late a + 1).
Proof.
  intros a P _. replace (- T_early a / T_q a - q_late a + 1) with (1 - (T_early a / T_q a + q_late a))
    by (unfold Rdiv; ring). apply Rle_ge, misses_below; [exact P | now apply late_below].
Qed.

Theorem from_bounds : forall a, possible a -> alpha_sum a <= alpha_E a -> g_q a >= 0 -> E_T a >= f a * (1 - q_most a).
Proof.
  intros a P _ G. apply Rle_ge, misses_below; [exact P |]. apply mean_le; [exact P |]. intros v I.
  pose proof (above_least (fun v => claimed v - q (check v)) (at_work a) v I) as L. simpl in L. unfold g_q in G. lra.
Qed.

Theorem all_bounds_covered : forall a, possible a -> alpha_sum a <= alpha_E a -> C_E a >= 1 - alpha_E a.
Proof.
  intros a P L. pose proof (uncovered_all a P). unfold C_E. pose proof (Rmax_r 0 (1 - sum uncovered (versions a))). lra.
Qed.
