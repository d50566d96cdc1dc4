(** E2, what a rule set can promise: the value of a game, whose two sides meet, by weights that are multiplied. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Rules RulesFacts.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, possible a /\ no_empty_target a.
Proof.
  exists (RuleSet 2 1 (fun _ => 1) (fun _ j => Nat.eqb j 0) (fun _ => 1) (fun _ => 1 / 2) (fun _ => 1) (fun _ => 0) 0 1 0 1).
  split.
  - unfold possible, F, f, fidelity, plain, member, each; simpl. repeat split; auto; intros; lra.
  - intros i _. exists 0%nat. simpl. auto.
Qed.

(** A sum of one term. *)
Lemma sum_one : forall x h l k, (forall j, In j (seq k l) <-> (k <= j < k + l)%nat) -> (k <= x < k + l)%nat ->
  sum (fun j => (if Nat.eqb x j then 1 else 0) * h j) (seq k l) = h x.
Proof.
  intros x h l. induction l as [| l I]; intros k _ X; [lia |]. simpl. destruct (Nat.eqb_spec x k) as [-> | N].
  - rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |].
    intros j J. apply in_seq in J. destruct (Nat.eqb_spec k j); [lia | ring].
  - rewrite I; [ring | intros; apply in_seq | lia].
Qed.

(** The exponential near 0, from above. *)
Lemma exp_above : forall z, Rabs z <= 1 / 2 -> exp z <= 1 + z + 2 * (z * z).
Proof.
  intros z Z. apply Rabs_le_between in Z. pose proof (exp_ineq1_le (- z)) as L. pose proof (exp_pos z).
  assert (E : exp z * exp (- z) = 1) by (rewrite <- exp_plus, Rplus_opp_r; apply exp_0).
  assert (exp z * (1 - z) <= 1) by (rewrite <- E; apply Rmult_le_compat_l; lra).
  apply (Rmult_le_reg_r (1 - z)); [lra |]. eapply Rle_trans; [eassumption |].
  assert (0 <= z * z * (1 - 2 * z)); [apply Rmult_le_pos; [apply Rle_0_sqr | lra] | lra].
Qed.

(** How often each column was played, as a distribution. *)
Definition share (l : list nat) (j : nat) : Rdefinitions.R := sum (fun x => if Nat.eqb x j then 1 else 0) l / count l.

Lemma share_mean : forall columns l f, (forall j, In j l -> (j < columns)%nat) ->
  sum (fun j => share l j * f j) (seq 0 columns) = sum f l / count l.
Proof.
  intros columns l f K. unfold share.
  rewrite (sum_ext _ (fun j => sum (fun x => (if Nat.eqb x j then 1 else 0) * f j) l / count l)).
  - rewrite sum_over, sum_swap. f_equal. apply sum_ext. intros x X. apply sum_one; [intros; apply in_seq | specialize (K x X); lia].
  - intros j _. rewrite sum_scale_r. unfold Rdiv. ring.
Qed.

Lemma share_distribution : forall columns l, l <> [] -> (forall j, In j l -> (j < columns)%nat) -> distribution columns (share l).
Proof.
  intros columns l L K. pose proof (count_at_least_1 l L). split.
  - intros j. apply Rmult_le_pos; [| left; apply Rinv_0_lt_compat; lra].
    apply sum_nonneg. intros x _. destruct Nat.eqb; lra.
  - rewrite (sum_ext _ (fun j => share l j * 1)) by (intros; ring). rewrite share_mean by exact K.
    rewrite sum_const. field. lra.
Qed.

Section Game.
Variables (rows columns : nat) (g : nat -> nat -> Rdefinitions.R) (most : Rdefinitions.R).
Hypothesis M : (0 < rows)%nat.
Hypothesis N : (0 < columns)%nat.
Hypothesis B : forall i j, (i < rows)%nat -> (j < columns)%nat -> Rabs (g i j) <= most.
Hypothesis most_1 : 1 <= most.

Let floor := floor_of rows columns g.
Let ceiling := ceiling_of rows columns g.
Let least_ceiling := lowest_ceiling rows columns g.

Definition level (n : nat) : nat -> Rdefinitions.R := fun _ => / INR n.

Lemma level_distribution : forall n, (0 < n)%nat -> distribution n (level n).
Proof.
  intros n L. apply lt_0_INR in L. split; [intros j; left; now apply Rinv_0_lt_compat |].
  unfold level. rewrite sum_const. unfold count. rewrite seq_length. field. lra.
Qed.

(** A floor is at most the mean payoff, and that at most a ceiling. *)
Lemma floor_below_ceiling : forall p y, distribution columns p -> distribution rows y -> floor p <= ceiling y.
Proof.
  intros p y D E. apply Rle_trans with (sum (fun i => y i * sum (fun j => p j * g i j) (seq 0 columns)) (seq 0 rows)).
  - apply mean_at_least; [exact E |]. intros i I.
    apply (above_least (fun i => sum (fun j => p j * g i j) (seq 0 columns)) (seq 0 rows)), in_seq. lia.
  - rewrite (sum_ext _ (fun i => sum (fun j => p j * (y i * g i j)) (seq 0 columns))).
    + rewrite sum_swap. rewrite (sum_ext _ (fun j => p j * sum (fun i => y i * g i j) (seq 0 rows))).
      * apply mean_at_most; [exact D |]. intros j J.
        apply (below_largest (fun j => sum (fun i => y i * g i j) (seq 0 rows)) (seq 0 columns)), in_seq. lia.
      * intros j _. apply sum_scale.
    + intros i _. rewrite <- sum_scale. apply sum_ext. intros; ring.
Qed.

Lemma ceiling_above : forall y, distribution rows y -> least_ceiling <= ceiling y.
Proof.
  intros y D. apply infimum with (y := floor (level columns)); [exists y; auto |].
  intros z (x & E & ->). apply floor_below_ceiling; [now apply level_distribution | exact E].
Qed.

(** The weights of the rows after some columns were played, at the rate [h]. *)
Variable h : Rdefinitions.R.
Hypothesis h_pos : 0 < h.
Hypothesis h_small : h * most <= 1 / 2.

Definition paid (l : list nat) (i : nat) : Rdefinitions.R := sum (g i) l.
Definition kept (l : list nat) (i : nat) : Rdefinitions.R := exp (- h * paid l i).
Definition potential (l : list nat) : Rdefinitions.R := sum (kept l) (seq 0 rows).

Lemma potential_pos : forall l, 0 < potential l.
Proof. intros l. apply sum_pos; [now apply seq_not_empty | intros; apply exp_pos]. Qed.

Lemma factor : forall x, Rabs x <= most -> exp (- h * x) <= 1 - h * x + 2 * (h * h * (most * most)).
Proof.
  intros x X. pose proof (Rabs_pos x).
  assert (S : x * x <= most * most).
  { replace (x * x) with (Rabs x * Rabs x) by (symmetry; apply Rsqr_abs). apply Rmult_le_compat; lra. }
  eapply Rle_trans; [apply exp_above |].
  - replace (- h * x) with (- (h * x)) by ring. rewrite Rabs_Ropp, Rabs_mult, (Rabs_pos_eq h) by lra.
    eapply Rle_trans; [apply Rmult_le_compat_l; [lra | exact X] | exact h_small].
  - assert (h * h * (x * x) <= h * h * (most * most)); [apply Rmult_le_compat_l; [apply Rle_0_sqr | exact S] | lra].
Qed.

(** Some column is a best reply to the weights; playing it shrinks the potential. *)
Lemma reply : forall l, exists j, (j < columns)%nat /\
  potential (j :: l) <= potential l * exp (- h * least_ceiling + 2 * (h * h * (most * most))).
Proof.
  intros l. pose proof (potential_pos l) as Q.
  assert (D : distribution rows (fun i => kept l i / potential l)).
  { split; [intros i; left; apply Rdiv_lt_0_compat; [apply exp_pos | exact Q] |]. rewrite sum_over.
    fold (potential l). field. lra. }
  pose proof (ceiling_above _ D) as V. unfold ceiling, ceiling_of in V.
  destruct (largest_attained (fun j => sum (fun i => kept l i / potential l * g i j) (seq 0 rows)) (seq 0 columns))
    as (j & J & E); [now apply seq_not_empty |].
  apply in_seq in J. exists j. split; [lia |]. rewrite E in V. clear E.
  rewrite (sum_ext _ (fun i => kept l i * g i j / potential l)) in V by (intros; unfold Rdiv; ring). rewrite sum_over in V.
  apply (Rmult_le_compat_r (potential l)) in V; [| lra]. unfold Rdiv in V. rewrite Rmult_assoc, Rinv_l, Rmult_1_r in V by lra.
  apply Rle_trans with (potential l * (1 + (- h * least_ceiling + 2 * (h * h * (most * most))))).
  - apply Rle_trans with (sum (fun i => kept l i * (1 + 2 * (h * h * (most * most))) + - h * (kept l i * g i j)) (seq 0 rows)).
    + apply sum_le. intros i I. apply in_seq in I. unfold kept at 1, paid. simpl sum.
      rewrite Rmult_plus_distr_l, exp_plus. fold (paid l i). fold (kept l i). rewrite Rmult_comm.
      pose proof (factor (g i j) (B i j ltac:(lia) ltac:(lia))) as T. pose proof (exp_pos (- h * paid l i)) as X.
      fold (kept l i) in X. apply (Rmult_le_compat_l (kept l i)) in T; lra.
    + rewrite sum_plus, sum_scale_r, sum_scale. fold (potential l).
      apply (Rmult_le_compat_l h) in V; lra.
  - apply Rmult_le_compat_l; [lra | apply exp_ineq1_le].
Qed.

(** So after [t] replies. *)
Lemma play : forall t, exists l, length l = t /\ (forall j, In j l -> (j < columns)%nat) /\
  potential l <= INR rows * exp (INR t * (- h * least_ceiling + 2 * (h * h * (most * most)))).
Proof.
  induction t as [| t (l & L & K & I)].
  - exists []. repeat split; [intros j [] |]. simpl INR. rewrite Rmult_0_l, exp_0, Rmult_1_r. right.
    unfold potential. rewrite (sum_ext _ (fun _ => 1)).
    + rewrite sum_const. unfold count. rewrite seq_length. ring.
    + intros i _. unfold kept, paid. simpl. rewrite Rmult_0_r. apply exp_0.
  - destruct (reply l) as (j & J & S). exists (j :: l). repeat split; [simpl; now rewrite L | intros k [<- |]; auto |].
    set (x := - h * least_ceiling + 2 * (h * h * (most * most))) in *.
    eapply Rle_trans; [exact S |]. rewrite S_INR, Rmult_plus_distr_r, Rmult_1_l, exp_plus, <- Rmult_assoc.
    apply Rmult_le_compat_r; [left; apply exp_pos | exact I].
Qed.

(** The columns played give every row nearly the least ceiling. *)
Lemma nearly : forall t, (0 < t)%nat -> exists p, distribution columns p /\
  least_ceiling - 2 * (h * (most * most)) - ln (INR rows) / (h * INR t) <= floor p.
Proof.
  intros t T. destruct (play t) as (l & L & K & S). apply lt_0_INR in T. exists (share l).
  assert (C : l <> []) by (intros ->; simpl in L; subst; simpl in T; lra).
  split; [now apply share_distribution |]. unfold floor, floor_of.
  destruct (least_attained (fun i => sum (fun j => share l j * g i j) (seq 0 columns)) (seq 0 rows)) as (i & I & ->);
    [now apply seq_not_empty |].
  rewrite share_mean by exact K. unfold count. rewrite L. fold (paid l i).
  assert (E : kept l i <= potential l).
  { apply in_split in I as (u & v & E). unfold potential. rewrite E, sum_app. simpl.
    assert (G : forall k, 0 <= sum (kept l) k) by (intros; apply sum_nonneg; intros; left; apply exp_pos).
    pose proof (G u). pose proof (G v). lra. }
  apply lt_0_INR in M. assert (W : - h * paid l i <= ln (INR rows) + INR t * (- h * least_ceiling + 2 * (h * h * (most * most)))).
  { rewrite <- (ln_exp (INR t * _)), <- ln_mult by (trivial; apply exp_pos). rewrite <- (ln_exp (- h * paid l i)).
    apply ln_le; [apply exp_pos |]. fold (kept l i). lra. }
  apply (Rmult_le_reg_r (h * INR t)); [now apply Rmult_lt_0_compat |].
  replace (paid l i / INR t * (h * INR t)) with (h * paid l i) by (field; lra).
  replace ((least_ceiling - 2 * (h * (most * most)) - ln (INR rows) / (h * INR t)) * (h * INR t))
    with (- (ln (INR rows) + INR t * (- h * least_ceiling + 2 * (h * h * (most * most))))) by (field; lra). lra.
Qed.
End Game.

(** A distribution over the columns and one over the rows that give the same value show that it is the game's. *)
Lemma value_is : forall rows columns g p y v, (0 < rows)%nat -> (0 < columns)%nat ->
  distribution columns p -> distribution rows y -> v <= floor_of rows columns g p -> ceiling_of rows columns g y <= v ->
  highest_floor rows columns g = v /\ lowest_ceiling rows columns g = v.
Proof.
  intros rows columns g p y v M N D E L U. split; apply Rle_antisym.
  - apply (supremum _ (floor_of rows columns g p)); [exists p; auto |].
    intros z (q & Q & ->). eapply Rle_trans; [now apply (floor_below_ceiling rows columns g M N q y) | exact U].
  - eapply Rle_trans; [exact L |]. apply (supremum _ _ v); [exists p; auto |].
    intros z (q & Q & ->). eapply Rle_trans; [now apply (floor_below_ceiling rows columns g M N q y) | exact U].
  - eapply Rle_trans; [| exact U]. apply (infimum _ _ v); [exists y; auto |].
    intros z (x & X & ->). eapply Rle_trans; [exact L | now apply floor_below_ceiling].
  - apply (infimum _ (ceiling_of rows columns g y)); [exists y; auto |].
    intros z (x & X & ->). eapply Rle_trans; [exact L | now apply floor_below_ceiling].
Qed.

(** The two sides of a game meet. *)
Lemma sides_meet : forall rows columns g most, (0 < rows)%nat -> (0 < columns)%nat -> 1 <= most ->
  (forall i j, (i < rows)%nat -> (j < columns)%nat -> Rabs (g i j) <= most) ->
  highest_floor rows columns g = lowest_ceiling rows columns g.
Proof.
  intros rows columns g most M N C B. pose proof (level_distribution columns N) as D. pose proof (level_distribution rows M) as E.
  assert (K : forall p, distribution columns p -> floor_of rows columns g p <= highest_floor rows columns g).
  { intros p Q. apply supremum with (y := ceiling_of rows columns g (level rows)); [exists p; auto |].
    intros z (q & L & ->). now apply floor_below_ceiling. }
  apply Rle_antisym.
  - apply (infimum _ (ceiling_of rows columns g (level rows))); [exists (level rows); auto |].
    intros z (y & Y & ->). apply (supremum _ (floor_of rows columns g (level columns))); [exists (level columns); auto |].
    intros z (p & Q & ->). now apply floor_below_ceiling.
  - apply le_epsilon. intros e Z. set (h := Rmin e 1 / (4 * (most * most))).
    assert (U : 0 < Rmin e 1 <= 1) by (split; [apply Rmin_glb_lt; lra | apply Rmin_r]). pose proof (Rmin_l e 1).
    assert (G : 1 <= most * most) by (rewrite <- (Rmult_1_l 1); apply Rmult_le_compat; lra).
    assert (O : 0 < h) by (apply Rdiv_lt_0_compat; lra).
    assert (F : h * (most * most) = Rmin e 1 / 4) by (unfold h; field; lra).
    destruct (nfloor_ex (Rmax 0 (2 * ln (INR rows) / (h * Rmin e 1))) (Rmax_l _ _)) as (t & _ & T).
    pose proof (Rmax_r 0 (2 * ln (INR rows) / (h * Rmin e 1))).
    destruct (nearly rows columns g most M N B h O) with (t := S t) as (p & Q & L); [| lia |].
    { apply Rle_trans with (h * (most * most)); [| lra]. apply Rmult_le_compat_l; [lra |].
      rewrite <- (Rmult_1_r most) at 1. apply Rmult_le_compat_l; lra. }
    specialize (K p Q). assert (ln (INR rows) / (h * INR (S t)) <= Rmin e 1 / 2); [| lra].
    assert (0 < INR (S t)) by (apply lt_0_INR; lia).
    assert (V : 2 * ln (INR rows) / (h * Rmin e 1) <= INR (S t)) by (rewrite S_INR; lra).
    apply (Rmult_le_reg_r (h * INR (S t))); [now apply Rmult_lt_0_compat |].
    replace (ln (INR rows) / (h * INR (S t)) * (h * INR (S t))) with (ln (INR rows)) by (field; lra).
    apply (Rmult_le_compat_r (h * Rmin e 1 / 2)) in V;
      [| apply Rmult_le_pos; [apply Rmult_le_pos |]; lra].
    replace (2 * ln (INR rows) / (h * Rmin e 1) * (h * Rmin e 1 / 2)) with (ln (INR rows)) in V by (field; lra). lra.
Qed.

Section Facts.
Variable a : rule_set.
Hypothesis P : possible a.

Lemma keys_pos : (0 < keys a)%nat.
Proof. pose proof (each_not_empty a P) as N. unfold each in N. destruct (keys a); [now destruct N | lia]. Qed.

Lemma shared_is : f_star a = y_star a.
Proof.
  apply sides_meet with (most := 1); [apply P | apply keys_pos | lra |].
  intros i j _ _. rewrite Rabs_pos_eq; apply member_inside.
Qed.

Lemma slack_is : g_star a = g_y a.
Proof.
  destruct (largest_attained (fun i => Rabs (promise a i)) (active a) (active_not_empty a P)) as (x & _ & E).
  apply sides_meet with (most := 1 + largest (fun i => Rabs (promise a i)) (active a)); [apply P | apply keys_pos | |].
  - rewrite E. pose proof (Rabs_pos (promise a x)). lra.
  - intros i j I _. eapply Rle_trans; [apply Rabs_triang |]. rewrite Rabs_Ropp. apply Rplus_le_compat.
    + rewrite Rabs_pos_eq; apply member_inside.
    + apply (below_largest (fun i => Rabs (promise a i))), in_seq. lia.
Qed.

Lemma R_pos : 0 < R a.
Proof. apply lt_0_INR, P. Qed.

(** The mean of the fidelities is at most the mean of how many targets hold a key. *)
Lemma shared_below : f_star a <= c a / R a.
Proof.
  apply (shared_bounds a P). intros p D. pose proof R_pos as L.
  eapply Rle_trans; [apply (floor_below_ceiling (rules a) (keys a) (member a) (proj1 P) keys_pos p (level (rules a)) D), level_distribution, P |].
  unfold ceiling_of, level. destruct (largest_attained
    (fun j => sum (fun i => / INR (rules a) * member a i j) (seq 0 (rules a))) (seq 0 (keys a))) as (j & J & ->);
    [apply seq_not_empty, keys_pos |].
  rewrite sum_scale, Rmult_comm. apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |].
  exact (below_largest (fun j => sum (fun i => member a i j) (active a)) (each a) j J).
Qed.

(** One key of each target. *)
Lemma choice : no_empty_target a -> forall l, incl l (active a) -> exists k, length k = length l /\
  (forall j, In j k -> (j < keys a)%nat) /\ (forall i, In i l -> exists j, In j k /\ target a i j = true).
Proof.
  intros T l. induction l as [| i l I]; intros S; [exists []; repeat split; intros ? [] |].
  destruct I as (k & L & K & C); [intros x X; apply S; now right |].
  destruct (T i (S i (or_introl eq_refl))) as (j & J & E). apply in_seq in J. exists (j :: k).
  repeat split; [simpl; now rewrite L | intros x [<- | X]; [lia | auto] |].
  intros x [<- | X]; [exists j; simpl; auto |]. destruct (C x X) as (y & Y & Z). exists y. simpl. auto.
Qed.

Lemma shared_above : no_empty_target a -> / R a <= f_star a.
Proof.
  intros T. destruct (choice T (active a)) as (k & L & K & C); [intros x X; exact X |].
  unfold active in L. rewrite seq_length in L. pose proof R_pos as Q.
  assert (E : k <> []) by (intros ->; simpl in L; unfold R in Q; rewrite <- L in Q; simpl in Q; lra).
  eapply Rle_trans; [| apply (below_shared a P (share k)), share_distribution; trivial].
  destruct (least_attained (fidelity a (share k)) (active a) (active_not_empty a P)) as (i & I & ->).
  unfold fidelity, each. rewrite share_mean by exact K. unfold count. rewrite L. fold (R a).
  unfold Rdiv. rewrite <- (Rmult_1_l (/ R a)) at 1. apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |].
  destruct (C i I) as (j & J & M). apply in_split in J as (u & v & ->). rewrite sum_app. simpl sum.
  assert (G : forall l, 0 <= sum (member a i) l) by (intros; apply sum_nonneg; intros; apply member_inside).
  pose proof (G u). pose proof (G v). unfold member at 2. rewrite M. lra.
Qed.
End Facts.

Theorem shared_promise : forall a, possible a -> no_empty_target a -> f_star a = y_star a.
Proof. intros a P _. now apply shared_is. Qed.

Theorem every_row : forall a, possible a -> no_empty_target a -> f_p a <= f_star a.
Proof. intros a P _. apply below_shared; [exact P | now apply arbitrary_distribution]. Qed.

Theorem supremum : forall a, possible a -> no_empty_target a -> f_b a <= f_star a.
Proof. intros a P _. apply below_shared; [exact P | now apply ruled_distribution]. Qed.

Theorem certificate : forall a, possible a -> no_empty_target a -> ((g_star a < 0) <-> (g_y a < 0)).
Proof. intros a P _. now rewrite (slack_is a P). Qed.

Theorem cover : forall a, possible a -> no_empty_target a -> f_star a <= c a / R a.
Proof. intros a P _. now apply shared_below. Qed.

Theorem disjoint_targets : forall a, possible a -> no_empty_target a -> c a = 1 -> f_star a = 1 / R a.
Proof.
  intros a P T E. pose proof (shared_below a P) as L. pose proof (shared_above a P T). rewrite E in L. lra.
Qed.
