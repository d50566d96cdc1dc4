(** F4, dials of least cost: at one price for their sum, and of layers that reach a fidelity the cheapest. *)
Require Import Reals Lra Lia List Permutation Sorted.
From Localist Require Import Functions Sums Priced PricedFacts.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, possible a /\ L a >= 2 /\ positive_weights a.
Proof.
  exists (PricedLayers 2 (fun _ => 1) (fun _ => 1 / 2) 1 1 (fun _ => 0) 0 (1 / 2) []).
  unfold possible, L, positive_weights. simpl. repeat split; try lra; try lia; try constructor; intros; try lra; tauto.
Qed.

(** Sums over the members of a list, one after the other. *)
Lemma sum_permuted : forall (f : nat -> R) l l', Permutation l l' -> sum f l = sum f l'.
Proof. intros f l l' E. induction E; simpl; lra. Qed.

Lemma sum_over_part : forall (f : nat -> R) s l, NoDup s -> NoDup l -> incl s l ->
  sum (fun i => if in_dec Nat.eq_dec i s then f i else 0) l = sum f s.
Proof.
  intros f s l S N I. set (b := fun i => if in_dec Nat.eq_dec i s then true else false).
  assert (E : forall k, sum (fun i => if in_dec Nat.eq_dec i s then f i else 0) k = sum f (filter b k)).
  { intros k. induction k as [| i k K]; [reflexivity |]. simpl. rewrite K. unfold b. destruct (in_dec Nat.eq_dec i s); simpl; ring. }
  rewrite E. apply sum_permuted, NoDup_Permutation; trivial; [now apply NoDup_filter |].
  intros i. rewrite filter_In. unfold b. destruct (in_dec Nat.eq_dec i s); split; try tauto; try (intros [_ D]; discriminate D).
  intros _. split; [now apply I | reflexivity].
Qed.

Lemma firstn_once : forall n (l : list nat), NoDup l -> NoDup (firstn n l).
Proof.
  intros n. induction n as [| n I]; intros [| i l] N; simpl; try constructor.
  - intros J. apply (NoDup_cons_iff i l) in N as [N _]. apply N. rewrite <- (firstn_skipn n l). apply in_or_app. now left.
  - apply I. now apply NoDup_cons_iff in N.
Qed.

(** Insertion sort keeps the members and puts them in order. *)
Section Order.
Variable k : nat -> R.
Let below (i j : nat) : Prop := k i <= k j.

Lemma inserted_keeps : forall i l, Permutation (i :: l) (inserted k i l).
Proof.
  intros i l. induction l as [| j l I]; [reflexivity |]. simpl. destruct (Rle_dec (k i) (k j)); [reflexivity |].
  rewrite perm_swap. now rewrite I.
Qed.

Lemma ordered_keeps : forall l, Permutation l (ordered k l).
Proof. induction l as [| i l I]; [reflexivity |]. simpl. rewrite I at 1. apply inserted_keeps. Qed.

Lemma inserted_sorts : forall i l, StronglySorted below l -> StronglySorted below (inserted k i l).
Proof.
  intros i l. induction l as [| j l I]; intros S; simpl; [repeat constructor |].
  apply StronglySorted_inv in S as [S F]. destruct (Rle_dec (k i) (k j)) as [L | L].
  - constructor; [now constructor |]. constructor; [exact L |]. eapply Forall_impl; [| exact F]. unfold below. simpl. intros; lra.
  - constructor; [now apply I |]. apply (Permutation_Forall (inserted_keeps i l)). constructor; [unfold below; lra | exact F].
Qed.

Lemma ordered_sorts : forall l, StronglySorted below (ordered k l).
Proof. induction l as [| i l I]; [constructor | now apply inserted_sorts]. Qed.

Lemma sorted_parts : forall u w, StronglySorted below (u ++ w) -> forall i j, In i u -> In j w -> k i <= k j.
Proof.
  intros u w. induction u as [| x u I]; intros S i j U J; [destruct U |]. simpl in S. apply StronglySorted_inv in S as [S F].
  destruct U as [<- | U]; [| now apply (I S)]. rewrite Forall_forall in F. apply F, in_or_app. now right.
Qed.

(** As many of the first cost no more than any others. *)
Lemma first_least : forall l s, NoDup l -> NoDup s -> incl s l -> sum k (firstn (length s) (ordered k l)) <= sum k s.
Proof.
  intros l s N S I. set (n := length s). set (u := firstn n (ordered k l)). set (w := skipn n (ordered k l)).
  assert (U : ordered k l = u ++ w) by (symmetry; apply firstn_skipn).
  assert (C : length u = n).
  { apply firstn_length_le. rewrite <- (Permutation_length (ordered_keeps l)). now apply NoDup_incl_length. }
  destruct u as [| x u'] eqn:D; [simpl in C; destruct s; [simpl; lra | discriminate C] |]. rewrite <- D in *. 
  set (t := largest k u). assert (X : u <> []) by (rewrite D; discriminate).
  destruct (largest_attained k u X) as (y & Y & Z). fold t in Z.
  assert (A : forall i, In i u -> k i <= t) by (intros i J; now apply below_largest).
  assert (B : forall i, In i w -> t <= k i).
  { intros i J. rewrite Z. apply (sorted_parts u w); trivial. rewrite <- U. apply ordered_sorts. }
  assert (M : sum (fun i => k i - t) u <= sum (fun i => k i - t) s).
  { apply Rle_trans with (sum (fun i => Rmin (k i - t) 0) s).
    - rewrite <- (sum_over_part (fun i => Rmin (k i - t) 0) s l) by trivial.
      apply Rle_trans with (sum (fun i => Rmin (k i - t) 0) l).
      + rewrite (sum_permuted _ l (ordered k l)) by apply ordered_keeps. rewrite U, sum_app.
        rewrite (sum_ext (fun i => Rmin (k i - t) 0) (fun _ => 0) w).
        * rewrite sum_const, Rmult_0_r, Rplus_0_r. right. apply sum_ext. intros i J. specialize (A i J). rewrite Rmin_left; lra.
        * intros i J. specialize (B i J). rewrite Rmin_right; lra.
      + apply sum_le. intros i _. destruct (in_dec Nat.eq_dec i s); [lra | apply Rmin_r].
    - apply sum_le. intros i _. apply Rmin_l. }
  rewrite !sum_minus, !sum_const in M. unfold count in M. rewrite C in M. fold n in M. lra.
Qed.
End Order.

Section Facts.
Variable a : priced_layers.
Hypothesis P : possible a.
Hypothesis T : L a >= 2.
Hypothesis Q : positive_weights a.

Lemma each_once : NoDup (each a).
Proof. apply seq_NoDup. Qed.

Lemma picked_part : NoDup (picked a) /\ incl (picked a) (each a).
Proof.
  destruct P as (_ & _ & _ & _ & _ & _ & N & I). split; [exact N |]. intros i J. apply in_seq. specialize (I i J). lia.
Qed.

Lemma cheapest_part : NoDup (cheapest a) /\ incl (cheapest a) (each a) /\ length (cheapest a) = length (picked a).
Proof.
  pose proof (ordered_keeps (own_cost a) (each a)) as E.
  assert (N : NoDup (ordered (own_cost a) (each a))) by (apply (Permutation_NoDup E), each_once).
  unfold cheapest. split; [| split].
  - now apply firstn_once.
  - intros i I. apply (Permutation_in _ (Permutation_sym E)). rewrite <- (firstn_skipn (length (picked a))). apply in_or_app. now left.
  - apply firstn_length_le. rewrite <- (Permutation_length E). apply NoDup_incl_length; apply picked_part.
Qed.

(** The own dial has the fidelity, and whatever dial has it is no less. *)
Lemma fidelity_iff : forall i x, x <= 1 ->
  (F_target a <= 1 - leak a i + gained x (leak a i) <-> 1 - (1 - leak a i) / leak a i * ((1 - F_target a) / F_target a) <= x).
Proof.
  intros i x X. pose proof (leak_inside a P i) as E. destruct P as (_ & _ & _ & _ & _ & F & _).
  set (e := leak a i) in *. set (f := F_target a) in *. unfold gained.
  assert (D : 0 < 1 - e + e * (1 - x)) by (pose proof (Rmult_le_pos e (1 - x)); lra).
  replace (1 - e + ((1 - e) / (1 - e + e * (1 - x)) - (1 - e))) with ((1 - e) / (1 - e + e * (1 - x))) by ring.
  assert (G : 0 < e * f) by (apply Rmult_lt_0_compat; lra).
  replace (1 - (1 - e) / e * ((1 - f) / f)) with ((e * f - (1 - e) * (1 - f)) / (e * f)) by (field; lra). split; intros H.
  - apply (Rmult_le_compat_r (1 - e + e * (1 - x))) in H; [| lra]. unfold Rdiv in H. rewrite Rmult_assoc, Rinv_l in H by lra.
    apply (Rmult_le_reg_r (e * f)); [exact G |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
  - apply (Rmult_le_compat_r (e * f)) in H; [| lra]. unfold Rdiv in H. rewrite Rmult_assoc, Rinv_l in H by lra.
    apply (Rmult_le_reg_r (1 - e + e * (1 - x))); [exact D |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma own_inside : forall i, 0 <= own a i <= 1.
Proof.
  intros i. pose proof (leak_inside a P i). destruct P as (_ & _ & _ & _ & _ & F & _). split; [apply Rmax_l |]. apply Rmax_lub; [lra |].
  assert (0 <= (1 - leak a i) / leak a i * ((1 - F_target a) / F_target a)); [| lra].
  apply Rmult_le_pos; left; apply Rdiv_lt_0_compat; lra.
Qed.

Lemma own_cost_nonneg : forall i, 0 <= own_cost a i.
Proof.
  intros i. pose proof (own_inside i). apply Rmult_le_pos; [left; apply Q |]. rewrite <- (gained_0 (leak a i) (leak_inside a P i)).
  apply gained_rises; try lra. now apply leak_inside.
Qed.

Lemma only_is : forall s i, only a s i = if in_dec Nat.eq_dec i s then own a i else 0.
Proof.
  intros s i. unfold only. destruct (existsb (Nat.eqb i) s) eqn:X, (in_dec Nat.eq_dec i s) as [I | N]; trivial; exfalso.
  - apply existsb_exists in X as (j & J & E). apply Nat.eqb_eq in E. subst. contradiction.
  - assert (existsb (Nat.eqb i) s = true); [| congruence]. apply existsb_exists. exists i. split; [exact I | apply Nat.eqb_refl].
Qed.

(** The cost of the own dials of some layers. *)
Lemma cost_only : forall s, NoDup s -> incl s (each a) -> cost a (only a s) = sum (own_cost a) s.
Proof.
  intros s N I. rewrite <- (sum_over_part (own_cost a) s (each a)) by (trivial; apply each_once). unfold cost. apply sum_ext. intros i _.
  rewrite only_is. unfold own_cost. destruct (in_dec Nat.eq_dec i s); [reflexivity |]. rewrite gained_0 by now apply leak_inside. ring.
Qed.

Lemma own_reaches : N_f a <= N_own a.
Proof.
  destruct cheapest_part as (N & I & C). unfold N_f, N_own, reached, count. rewrite <- C. fold (count (cheapest a)).
  rewrite <- (Rmult_1_r (count (cheapest a))), <- sum_const, <- (sum_over_part (fun _ => 1) _ (each a)) by (trivial; apply each_once).
  apply sum_le. intros i _. rewrite only_is. destruct (in_dec Nat.eq_dec i (cheapest a)); [| destruct Rle_dec; lra].
  destruct Rle_dec as [R | R]; [lra |]. exfalso. apply R. apply fidelity_iff; [apply own_inside | apply Rmax_r].
Qed.

(** The layers that the arbitrary dials bring to the fidelity. *)
Definition there : list nat :=
  filter (fun i => if Rle_dec (F_target a) (1 - leak a i + gained (other a i) (leak a i)) then true else false) (each a).

Lemma there_counts : N_p a = count there.
Proof.
  unfold N_p, reached, there. generalize (each a). intros l. induction l as [| i l I]; [reflexivity |]. simpl. rewrite I.
  destruct (Rle_dec (F_target a) (1 - leak a i + gained (other a i) (leak a i))); unfold count; simpl length; rewrite ?S_INR; ring.
Qed.

Lemma rivals_cost : N_p a >= N_f a -> K_own a <= K_p a.
Proof.
  intros M. rewrite there_counts in M. apply Rge_le in M. unfold N_f, count in M. apply INR_le in M.
  set (s := firstn (length (picked a)) there). assert (C : length s = length (picked a)) by (now apply firstn_length_le).
  assert (N : NoDup there) by (apply NoDup_filter, each_once).
  assert (S : NoDup s).
  { now apply firstn_once. }
  assert (I : incl s there).
  { intros i J. rewrite <- (firstn_skipn (length (picked a)) there). apply in_or_app. now left. }
  assert (J : incl s (each a)) by (intros i K; apply I in K; apply filter_In in K; tauto).
  destruct cheapest_part as (N' & I' & _). unfold K_own. rewrite cost_only by trivial.
  apply Rle_trans with (sum (own_cost a) s).
  - unfold cheapest. rewrite <- C. apply first_least; trivial. apply each_once.
  - rewrite <- (sum_over_part (own_cost a) s (each a)) by (trivial; apply each_once). apply sum_le. intros i _.
    pose proof (other_inside a P i) as O. pose proof (Q i). pose proof (leak_inside a P i) as E.
    destruct (in_dec Nat.eq_dec i s) as [K | K].
    + apply I in K. apply filter_In in K as [_ K]. destruct Rle_dec as [R | R]; [| discriminate K].
      apply fidelity_iff in R; [| apply O]. apply Rmult_le_compat_l; [lra |]. apply gained_rises; [exact E | | apply O].
      apply Rmax_lub; [apply O | exact R].
    + apply Rmult_le_pos; [lra |]. rewrite <- (gained_0 (leak a i) E). apply gained_rises; [exact E | apply O | apply O].
Qed.

Lemma picks_cost : K_own a <= K_pick a.
Proof.
  destruct cheapest_part as (N & I & _). destruct picked_part as [M J]. unfold K_own, K_pick. rewrite !cost_only by trivial.
  apply first_least; trivial. apply each_once.
Qed.

Lemma price_pos : 0 < nu_K a.
Proof. apply P. Qed.

Lemma tangent_is : K_nu a - nu_K a * S_nu a <= K_p a - nu_K a * S_p a.
Proof. apply (all_least a P Q); [apply price_pos | now apply other_inside]. Qed.
End Facts.

Theorem priced_dial : forall a, possible a -> L a >= 2 -> positive_weights a ->
  lambda_nu a = Rmax 0 (Rmin 1 ((- sqrt (c_l a) * sqrt (epsilon a) * sqrt (1 - epsilon a) / sqrt (nu_K a) + 1) / epsilon a)).
Proof.
  intros a P T Q. unfold lambda_nu, dial_at. rewrite priced_is; [| apply Q | now apply leak_inside | now apply price_pos].
  fold (c_l a) (epsilon a). do 3 f_equal. unfold Rdiv. ring.
Qed.

Theorem tangent : forall a, possible a -> L a >= 2 -> positive_weights a ->
  K_p a - S_p a * nu_K a >= K_nu a - S_nu a * nu_K a.
Proof. intros a P T Q. pose proof (tangent_is a P Q). lra. Qed.

Theorem least : forall a, possible a -> L a >= 2 -> positive_weights a -> S_p a >= S_nu a -> K_nu a <= K_p a.
Proof.
  intros a P T Q S. pose proof (tangent_is a P Q). pose proof (Rmult_le_compat_l (nu_K a) (S_nu a) (S_p a)).
  pose proof (price_pos a P). lra.
Qed.

Theorem unique : forall a, possible a -> L a >= 2 -> positive_weights a -> S_p a >= S_nu a /\ d_p a > 0 -> K_nu a < K_p a.
Proof.
  intros a P T Q [S D]. pose proof (price_pos a P) as V.
  destruct (largest_attained (fun i => Rabs (other a i - dial_at a (nu_K a) i)) (each a) (each_not_empty a P)) as (i & I & E).
  unfold d_p in D. rewrite E in D.
  assert (N : other a i <> dial_at a (nu_K a) i) by (intros N; rewrite N, Rminus_diag_eq, Rabs_R0 in D by reflexivity; lra).
  assert (M : cost a (dial_at a (nu_K a)) - nu_K a * S_nu a < cost a (other a) - nu_K a * S_p a).
  { unfold cost, S_nu, S_p. rewrite <- !sum_scale, <- !sum_minus. apply in_split in I as (u & w & ->). rewrite !sum_app. simpl.
    assert (G : forall l, sum (fun i => weight a i * gained (dial_at a (nu_K a) i) (leak a i) - nu_K a * dial_at a (nu_K a) i) l
      <= sum (fun i => weight a i * gained (other a i) (leak a i) - nu_K a * other a i) l)
      by (intros l; apply sum_le; intros j _; apply dial_least; trivial; now apply other_inside).
    pose proof (G u). pose proof (G w). rewrite (dial_is a P Q (nu_K a) V i) in *.
    pose proof (best_strict (weight a i) (leak a i) (nu_K a) (Q i) (leak_inside a P i) V (other a i) (other_inside a P i) N). lra. }
  fold (K_nu a) (K_p a) in M. pose proof (Rmult_le_compat_l (nu_K a) (S_nu a) (S_p a)). lra.
Qed.

Theorem uniform_dial : forall a, possible a -> L a >= 2 -> positive_weights a -> K_nu a <= K_mean a.
Proof.
  intros a P T Q. pose proof (price_pos a P) as V. set (x := mean (dial_at a (nu_K a)) (each a)).
  pose proof (each_not_empty a P) as N. pose proof (count_at_least_1 _ N).
  pose proof (all_least a P Q (nu_K a) V (fun _ => x)) as B. rewrite sum_const in B.
  replace (count (each a) * x) with (sum (dial_at a (nu_K a)) (each a)) in B by (unfold x, mean; field; lra).
  fold (K_nu a) in B. unfold K_mean. fold x. cut (K_nu a - nu_K a * sum (dial_at a (nu_K a)) (each a)
    <= cost a (fun _ => x) - nu_K a * sum (dial_at a (nu_K a)) (each a)); [lra |]. apply B. intros _.
  split; [apply mean_above | apply mean_below]; trivial; intros i _; now apply dial_inside.
Qed.

Theorem rises_with_the_price : forall a, possible a -> L a >= 2 -> positive_weights a -> nu_more a >= nu_K a -> S_more a >= S_nu a.
Proof.
  intros a P T Q M. pose proof (price_pos a P) as V. assert (W : 0 < nu_more a) by apply P.
  apply Rle_ge, sum_le. intros i _. destruct (Req_dec (nu_more a) (nu_K a)) as [-> | N]; [lra |].
  pose proof (dial_least a P Q (nu_K a) V i _ (dial_inside a P Q (nu_more a) W i)).
  pose proof (dial_least a P Q (nu_more a) W i _ (dial_inside a P Q (nu_K a) V i)).
  apply (Rmult_le_reg_l (nu_more a - nu_K a)); lra.
Qed.

Theorem nothing : forall a, possible a -> L a >= 2 -> positive_weights a -> ((S_nu a = 0) <-> (nu_K a <= nu_0 a)).
Proof. intros a P T Q. apply nothing_iff; trivial. now apply price_pos. Qed.

Theorem everything : forall a, possible a -> L a >= 2 -> positive_weights a -> ((S_nu a = L a) <-> (nu_K a >= nu_1 a)).
Proof. intros a P T Q. apply everything_iff; trivial. now apply price_pos. Qed.

Theorem own_dials : forall a, possible a -> L a >= 2 -> positive_weights a -> N_own a >= N_f a.
Proof. intros a P T Q. now apply Rle_ge, own_reaches. Qed.

Theorem cheapest : forall a, possible a -> L a >= 2 -> positive_weights a -> N_p a >= N_f a -> K_own a <= K_p a.
Proof. intros a P T Q M. now apply rivals_cost. Qed.

Theorem other_layers : forall a, possible a -> L a >= 2 -> positive_weights a -> K_own a <= K_pick a.
Proof. intros a P T Q. now apply picks_cost. Qed.
