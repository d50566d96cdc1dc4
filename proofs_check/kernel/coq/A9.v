(** A9, distance decay: powers of one factor add up to a geometric sum, so the leak is bounded whatever the context. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Distant.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : distant.
Hypothesis P : possible a.

Lemma temperature : 0 < tau a.
Proof. now destruct P as (_ & _ & _ & T & _). Qed.

Lemma fade_inside : 0 < q_s a < 1.
Proof.
  destruct P as (_ & _ & S & T & _). split; [apply exp_pos |]. unfold q_s. rewrite <- exp_0. apply exp_increasing.
  unfold Rdiv. rewrite Ropp_mult_distr_l_reverse. pose proof (Rdiv_lt_0_compat _ _ S T). unfold Rdiv in *. lra.
Qed.

(** A key's weight is that of its content, by a power of the factor. *)
Lemma boltzmann_is : forall c i, boltzmann a c i = exp (c i / tau a) * q_s a ^ i.
Proof.
  intros c i. pose proof temperature. unfold boltzmann. rewrite <- (Rpower_pow i) by apply fade_inside.
  unfold Rpower, q_s. rewrite ln_exp, <- exp_plus. f_equal. field. lra.
Qed.

(** A geometric sum. *)
Lemma powers : forall s n, sum (pow (q_s a)) (seq s n) = (q_s a ^ s - q_s a ^ (s + n)) / (1 - q_s a).
Proof.
  intros s n. pose proof fade_inside. revert s. induction n as [| n I]; intros s; simpl.
  - rewrite Nat.add_0_r. field. lra.
  - rewrite I, <- plus_n_Sm. simpl. field. lra.
Qed.

(** The factors at the farthest key of the block, and at that of all. *)
Definition near : R := q_s a ^ inside a.
Definition far : R := q_s a ^ (inside a + outside a).

Lemma near_is : Rpower (q_s a) (m a) = near.
Proof. apply Rpower_pow, fade_inside. Qed.

Lemma far_is : Rpower (q_s a) (k a + m a) = far.
Proof. unfold k, m, far. rewrite <- plus_INR, Nat.add_comm. apply Rpower_pow, fade_inside. Qed.

Lemma powers_inside : 0 < far /\ far < near /\ near < 1.
Proof.
  pose proof fade_inside as Q. destruct P as (I & O & _). unfold far, near. repeat split; [now apply pow_lt | |].
  - rewrite pow_add. rewrite <- (Rmult_1_r (q_s a ^ inside a)) at 2. apply Rmult_lt_compat_l; [now apply pow_lt |].
    apply pow_lt_1_compat; [lra | exact O].
  - apply pow_lt_1_compat; [lra | exact I].
Qed.

Lemma block_powers : sum (pow (q_s a)) (block a) = (1 - near) / (1 - q_s a).
Proof. unfold block. now rewrite powers. Qed.

Lemma other_powers : sum (pow (q_s a)) (others a) = (near - far) / (1 - q_s a).
Proof. apply powers. Qed.

Lemma block_not_empty : block a <> [].
Proof. destruct P as (I & _). unfold block. destruct (inside a); [lia | discriminate]. Qed.

Lemma leak_is : forall c, leak a c
  = sum (boltzmann a c) (others a) / (sum (boltzmann a c) (block a) + sum (boltzmann a c) (others a)).
Proof. intros c. unfold leak, mass, keys, Rdiv. now rewrite sum_scale_r, sum_app. Qed.

(** The odds with the contents at the two ends. *)
Definition odds : R := (near - far) * exp (R_c a / tau a) / (1 - near).

Lemma odds_pos : 0 < odds.
Proof. pose proof powers_inside. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; [lra | apply exp_pos] | lra]. Qed.

Lemma odds_below : forall b c x, 0 < b -> 0 <= c -> 0 <= x -> c <= x * b -> c / (b + c) <= x / (1 + x).
Proof.
  intros b c x B C X L. apply (Rmult_le_reg_r ((b + c) * (1 + x))); [apply Rmult_lt_0_compat; lra |].
  replace (c / (b + c) * ((b + c) * (1 + x))) with (c + c * x) by (field; lra).
  replace (x / (1 + x) * ((b + c) * (1 + x))) with (x * b + c * x) by (field; lra). lra.
Qed.

Lemma leak_below : epsilon a <= odds / (1 + odds).
Proof.
  pose proof temperature as T. pose proof powers_inside as (F & N & O). pose proof fade_inside as Q.
  unfold epsilon. rewrite leak_is. pose proof odds_pos. set (low := least (content a) (keys a) / tau a).
  assert (B : exp low * ((1 - near) / (1 - q_s a)) <= sum (boltzmann a (content a)) (block a)).
  { rewrite <- block_powers, <- sum_scale. apply sum_le. intros i I. rewrite boltzmann_is.
    apply Rmult_le_compat_r; [apply pow_le; lra |].
    apply exp_le, Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |]. apply above_least, in_or_app. now left. }
  assert (C : sum (boltzmann a (content a)) (others a) <= exp (low + R_c a / tau a) * ((near - far) / (1 - q_s a))).
  { rewrite <- other_powers, <- sum_scale. apply sum_le. intros i I. rewrite boltzmann_is.
    apply Rmult_le_compat_r; [apply pow_le; lra |]. apply exp_le. unfold low, R_c, Rdiv. rewrite <- Rmult_plus_distr_r.
    apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |].
    pose proof (below_largest (content a) (keys a) i (in_or_app _ _ _ (or_intror I))). simpl in *. lra. }
  apply odds_below; [| | lra |].
  - apply sum_pos; [apply block_not_empty | intros; apply exp_pos].
  - apply sum_nonneg. intros. left. apply exp_pos.
  - eapply Rle_trans; [exact C |]. apply (Rmult_le_compat_l odds) in B; [| lra]. eapply Rle_trans; [| exact B].
    rewrite exp_plus. unfold odds. right. field. lra.
Qed.

(** What the clauses print for a bound of odds. *)
Lemma printed : forall x y, y < 1 -> 0 < x -> x / ((1 - y) * (1 + x / (1 - y))) = x / (1 - y) / (1 + x / (1 - y)).
Proof. intros x y Y X. field. lra. Qed.

(** The same without the farthest factor. *)
Definition odds_far : R := near * exp (R_c a / tau a) / (1 - near).

Lemma odds_below_far : odds < odds_far.
Proof.
  pose proof powers_inside. apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat; lra |].
  apply Rmult_lt_compat_r; [apply exp_pos | lra].
Qed.

Lemma far_printed : Rpower (q_s a) (m a) * exp (R_c a / tau a)
    / ((1 - Rpower (q_s a) (m a)) * (Rpower (q_s a) (m a) * exp (R_c a / tau a) / (1 - Rpower (q_s a) (m a)) + 1))
  = 1 - 1 / (1 + odds_far).
Proof.
  rewrite near_is. pose proof powers_inside. pose proof (exp_pos (R_c a / tau a)). unfold odds_far.
  assert (0 < near * exp (R_c a / tau a)) by (apply Rmult_lt_0_compat; lra). field. lra.
Qed.

Lemma below_far : epsilon a < 1 - 1 / (1 + odds_far).
Proof.
  pose proof leak_below as L. pose proof odds_pos. pose proof odds_below_far.
  replace (odds / (1 + odds)) with (1 - 1 / (1 + odds)) in L by (field; lra).
  assert (1 / (1 + odds_far) < 1 / (1 + odds)); [| lra].
  apply Rmult_lt_compat_l; [lra |]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat |]; lra.
Qed.

(** The bound is at most the target where the slope is at least the one needed. *)
Lemma target_iff :
  (a_s a >= tau a * ln (1 + (1 - epsilon_target a) * exp (R_c a / tau a) / epsilon_target a) / m a)
  <-> (1 - 1 / (1 + odds_far) <= epsilon_target a).
Proof.
  pose proof P as (I & _ & _ & T & E). pose proof powers_inside as N. apply lt_0_INR in I. fold (m a) in I.
  set (e := epsilon_target a) in *. set (h := exp (R_c a / tau a)). assert (X : 0 < h) by apply exp_pos.
  assert (W : near = exp (- (a_s a * m a / tau a))).
  { rewrite <- near_is. unfold Rpower, q_s. rewrite ln_exp. f_equal. field. lra. }
  set (x := a_s a * m a / tau a) in *.
  assert (Y : near * exp x = 1) by (rewrite W, <- exp_plus, Rplus_opp_l; apply exp_0).
  assert (Z : 0 < (1 - e) * h / e) by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat |]; lra).
  assert (D : 0 < near * h) by (apply Rmult_lt_0_compat; lra).
  (* Both sides say [(1 - e) h <= e (exp x - 1)]. *)
  assert (A : a_s a >= tau a * ln (1 + (1 - e) * h / e) / m a <-> (1 - e) * h <= e * (exp x - 1)).
  { transitivity (ln (1 + (1 - e) * h / e) <= x).
    - assert (V : tau a * ln (1 + (1 - e) * h / e) / m a = ln (1 + (1 - e) * h / e) * (tau a / m a)) by (field; lra).
      assert (U : a_s a = x * (tau a / m a)) by (unfold x; field; lra). rewrite V, U.
      assert (0 < tau a / m a) by (apply Rdiv_lt_0_compat; lra). split; intros L.
      + apply (Rmult_le_reg_r (tau a / m a)); lra.
      + apply Rle_ge, Rmult_le_compat_r; lra.
    - assert (S : (1 - e) * h <= e * (exp x - 1) <-> 1 + (1 - e) * h / e <= exp x).
      { replace ((1 - e) * h) with (e * ((1 - e) * h / e)) at 1 by (field; lra). split; intros L.
        - apply (Rmult_le_reg_l e) in L; lra.
        - apply Rmult_le_compat_l; lra. }
      rewrite S. split; intros L.
      + rewrite <- (exp_ln (1 + (1 - e) * h / e)) by lra. now apply exp_le.
      + rewrite <- (ln_exp x). apply ln_le; lra. }
  rewrite A. clear A. unfold odds_far. fold h.
  replace (1 - 1 / (1 + near * h / (1 - near))) with (near * h / (1 - near + near * h)) by (field; lra).
  transitivity (near * ((1 - e) * h) <= near * (e * (exp x - 1))).
  - split; intros L; [apply Rmult_le_compat_l; lra | apply (Rmult_le_reg_l near) in L; lra].
  - replace (near * (e * (exp x - 1))) with (e * (near * exp x - near)) by ring. rewrite Y.
    split; intros L.
    + apply (Rmult_le_reg_r (1 - near + near * h)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
    + apply (Rmult_le_compat_r (1 - near + near * h)) in L; [| lra]. unfold Rdiv in L.
      rewrite Rmult_assoc, Rinv_l in L by lra. lra.
Qed.
End Facts.

Theorem finite_context : forall a, possible a -> epsilon a
  <= (Rpower (q_s a) (m a) - Rpower (q_s a) (k a + m a)) * exp (R_c a / tau a)
    / ((1 - Rpower (q_s a) (m a))
       * (1 + (Rpower (q_s a) (m a) - Rpower (q_s a) (k a + m a)) * exp (R_c a / tau a) / (1 - Rpower (q_s a) (m a)))).
Proof.
  intros a P. rewrite near_is, far_is by trivial. pose proof (powers_inside a P).
  rewrite printed; [now apply leak_below | lra | apply Rmult_lt_0_compat; [lra | apply exp_pos]].
Qed.

Theorem attained : forall a, possible a -> epsilon_ends a
  = (Rpower (q_s a) (m a) - Rpower (q_s a) (k a + m a)) * exp (R_c a / tau a)
    / ((1 - Rpower (q_s a) (m a))
       * (1 + (Rpower (q_s a) (m a) - Rpower (q_s a) (k a + m a)) * exp (R_c a / tau a) / (1 - Rpower (q_s a) (m a)))).
Proof.
  intros a P. rewrite near_is, far_is by trivial.
  pose proof (powers_inside a P) as N. pose proof (fade_inside a P) as Q.
  assert (X : 0 < (near a - far a) * exp (R_c a / tau a)) by (apply Rmult_lt_0_compat; [lra | apply exp_pos]).
  rewrite printed by lra. unfold epsilon_ends. rewrite leak_is.
  rewrite (sum_ext _ (fun i => exp (R_c a / tau a) * q_s a ^ i) (others a)).
  2: { intros i I. apply in_seq in I. rewrite boltzmann_is by trivial.
       destruct (Nat.ltb_spec i (inside a)); [lia | reflexivity]. }
  rewrite (sum_ext _ (pow (q_s a)) (block a)).
  2: { intros i I. apply in_seq in I. rewrite boltzmann_is by trivial.
       destruct (Nat.ltb_spec i (inside a)); [| lia]. unfold Rdiv. rewrite Rmult_0_l, exp_0. ring. }
  rewrite sum_scale, block_powers, other_powers by trivial. field.
  assert (0 < exp (R_c a / tau a) * (near a - far a)) by lra. repeat split; lra.
Qed.

Theorem any_context : forall a, possible a -> epsilon a
  < Rpower (q_s a) (m a) * exp (R_c a / tau a)
    / ((1 - Rpower (q_s a) (m a)) * (Rpower (q_s a) (m a) * exp (R_c a / tau a) / (1 - Rpower (q_s a) (m a)) + 1)).
Proof. intros a P. rewrite far_printed by trivial. now apply below_far. Qed.

Theorem slope_needed : forall a, possible a ->
  ((a_s a >= tau a * ln (1 + (1 - epsilon_target a) * exp (R_c a / tau a) / epsilon_target a) / m a)
   <-> (Rpower (q_s a) (m a) * exp (R_c a / tau a)
        / ((1 - Rpower (q_s a) (m a)) * (Rpower (q_s a) (m a) * exp (R_c a / tau a) / (1 - Rpower (q_s a) (m a)) + 1))
        <= epsilon_target a)).
Proof. intros a P. rewrite far_printed by trivial. now apply target_iff. Qed.

Theorem slope_suffices : forall a, possible a ->
  a_s a >= tau a * ln (1 + (1 - epsilon_target a) * exp (R_c a / tau a) / epsilon_target a) / m a ->
  epsilon a < epsilon_target a.
Proof. intros a P L. apply (target_iff a P) in L. pose proof (below_far a P). lra. Qed.
