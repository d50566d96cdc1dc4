(** E1, rules compose: strengths add in the exponent, one rule moves the odds, and the ruled row changes least. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Rules RulesFacts.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : rule_set.
Hypothesis P : possible a.

(** One term of the divergence of a row from the plain one, beside that from the ruled one. *)
Lemma term_is : forall p j, 0 < p ->
  p * ln (p / plain a j) = p * ln (p / ruled a j) + / tau a * (p * boost a j) - p * Lambda_b a.
Proof.
  intros p j L. pose proof (plain_pos a P j). pose proof (multiplied_pos a P j). pose proof (multiplied_total a P).
  unfold ruled, Lambda_b. rewrite !ln_quotient by (trivial; now apply Rdiv_lt_0_compat).
  unfold multiplied at 1. rewrite ln_mult, ln_exp by (trivial; apply exp_pos). field. pose proof (tau_pos a P). lra.
Qed.

Lemma divergence_is : forall p, distribution (keys a) p -> divergence a p
  = sum (fun j => p j * ln (p j / ruled a j)) (each a) + sum (fun i => strength a i * fidelity a p i) (active a) / tau a - Lambda_b a.
Proof.
  intros p [N S]. rewrite by_key. unfold divergence.
  replace (Lambda_b a) with (sum (fun j => p j * Lambda_b a) (each a)) by (rewrite sum_scale_r; unfold each; rewrite S; ring).
  unfold Rdiv at 3. rewrite Rmult_comm, <- sum_scale, <- sum_plus, <- sum_minus. apply sum_ext. intros j _.
  destruct (N j) as [L | <-]; [now apply term_is | ring].
Qed.

Lemma ruled_pos : forall j, 0 < ruled a j.
Proof. intros j. apply Rdiv_lt_0_compat; [now apply multiplied_pos | now apply multiplied_total]. Qed.

Lemma gibbs_ruled : forall p, distribution (keys a) p -> 0 <= sum (fun j => p j * ln (p j / ruled a j)) (each a).
Proof.
  intros p [N S]. destruct (ruled_distribution a P) as [M T].
  assert (G : sum (fun j => p j + -1 * ruled a j) (each a) <= sum (fun j => p j * ln (p j / ruled a j)) (each a)).
  { apply sum_le. intros j _. pose proof (ruled_pos j) as L. pose proof (gibbs_term (p j) (ruled a j) (N j) L).
    destruct (N j) as [Q | Q]; [rewrite ln_quotient by trivial; lra | rewrite <- Q; lra]. }
  rewrite sum_plus, sum_scale in G. unfold each in *. lra.
Qed.

(** The rule alone: its boost is its strength inside its target and 0 outside. *)
Lemma alone_inside : sum (fun j => multiplied_once a j * member a (here a) j) (each a) = F a * exp (b a / tau a).
Proof.
  unfold F, fidelity. rewrite <- sum_scale_r. apply sum_ext. intros j _. unfold multiplied_once, member, b.
  destruct (target a (here a) j); [rewrite !Rmult_1_r | rewrite !Rmult_0_r, Rmult_0_l]; reflexivity.
Qed.

Lemma alone_total : sum (multiplied_once a) (each a) = F a * exp (b a / tau a) + (1 - F a).
Proof.
  rewrite <- alone_inside. unfold F, fidelity. destruct (plain_distribution a P) as [_ S]. fold (each a) in S.
  rewrite <- S, <- sum_minus, <- sum_plus. apply sum_ext. intros j _. unfold multiplied_once, member.
  destruct (target a (here a) j); [ring |]. replace (strength a (here a) * 0 / tau a) with 0 by (unfold Rdiv; ring).
  rewrite exp_0. ring.
Qed.

Lemma F_b_is : F_b a = F a * exp (b a / tau a) / (F a * exp (b a / tau a) + (1 - F a)).
Proof.
  rewrite <- alone_total, <- alone_inside, <- sum_over. unfold F_b, fidelity. apply sum_ext. intros j _. unfold Rdiv. ring.
Qed.

(** Some key has at least the boost that any distribution gives on the mean. *)
Lemma most_boost : forall p, distribution (keys a) p -> 
  sum (fun j => p j * boost a j) (each a) <= largest (boost a) (each a).
Proof. intros p D. apply mean_at_most; [exact D |]. intros j J. apply below_largest, in_seq. lia. Qed.

Lemma b_sum_nonneg : 0 <= b_sum a.
Proof. apply sum_nonneg. intros i _. now apply strength_nonneg. Qed.

Lemma shared_boost : f_star a * b_sum a <= largest (boost a) (each a).
Proof.
  pose proof b_sum_nonneg as [L | Z].
  - apply (Rmult_le_reg_r (/ b_sum a)); [now apply Rinv_0_lt_compat |]. rewrite Rmult_assoc, Rinv_r, Rmult_1_r by lra.
    apply (shared_bounds a P). intros p D. apply (Rmult_le_reg_r (b_sum a)); [exact L |].
    rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. eapply Rle_trans; [| now apply (most_boost p)].
    rewrite <- by_key. unfold b_sum. rewrite <- sum_scale. apply sum_le. intros i I. rewrite Rmult_comm.
    apply Rmult_le_compat_l; [now apply strength_nonneg |].
    exact (above_least (fidelity a p) (active a) i I).
  - rewrite <- Z, Rmult_0_r. destruct (largest_attained (boost a) (each a) (each_not_empty a P)) as (j & _ & ->).
    apply sum_nonneg. intros i _. apply Rmult_le_pos; [now apply strength_nonneg | apply member_inside].
Qed.

Lemma tilt_above : ln (a_min a) + f_star a * b_sum a / tau a <= Lambda_b a.
Proof.
  destruct (largest_attained (boost a) (each a) (each_not_empty a P)) as (j & J & E).
  destruct (least_attained (plain a) (each a) (each_not_empty a P)) as (i & _ & M). pose proof (tau_pos a P) as T.
  assert (A : 0 < a_min a) by (unfold a_min; rewrite M; now apply plain_pos).
  apply Rle_trans with (ln (multiplied a j)).
  - unfold multiplied. rewrite ln_mult, ln_exp by (apply exp_pos || now apply plain_pos).
    apply Rplus_le_compat; [apply ln_le; [exact A | exact (above_least (plain a) (each a) j J)] |].
    apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat | rewrite <- E; exact shared_boost].
  - apply ln_le; [now apply multiplied_pos |]. apply in_split in J as (l & l' & S). rewrite S, sum_app. simpl.
    assert (forall k, 0 <= sum (multiplied a) k) by (intros k; apply sum_nonneg; intros; left; now apply multiplied_pos).
    pose proof (H l). pose proof (H l'). lra.
Qed.
End Facts.

Theorem composition : forall a, possible a -> o_b a = o a * exp ((b_i a - b_j a) / tau a).
Proof.
  intros a P. unfold o_b, o, b_i, b_j, ruled. pose proof (tau_pos a P). pose proof (multiplied_total a P).
  pose proof (plain_pos a P (second a)). pose proof (multiplied_pos a P (second a)).
  replace (multiplied a (first a) / sum (multiplied a) (each a) / (multiplied a (second a) / sum (multiplied a) (each a)))
    with (multiplied a (first a) / multiplied a (second a)) by (field; split; lra). unfold multiplied. pose proof (exp_pos (boost a (second a) / tau a)).
  replace ((boost a (first a) - boost a (second a)) / tau a)
    with (boost a (first a) / tau a + - (boost a (second a) / tau a)) by (field; lra).
  rewrite exp_plus, exp_Ropp. field. repeat split; lra.
Qed.

Theorem one_rule : forall a, possible a ->
  ((F_b a >= f a) <-> (b a >= Rmax 0 (tau a * (- Logit (F a) + Logit (f a))))).
Proof.
  intros a P. pose proof P as (_ & T & I & J & _ & N & _). rewrite (F_b_is a P).
  pose proof (exp_pos (b a / tau a)) as X. set (x := exp (b a / tau a)) in *. specialize (N (here a)). fold (b a) in N.
  assert (D : 0 < F a * x + (1 - F a)) by (pose proof (Rmult_lt_0_compat (F a) x); lra).
  assert (E : F a * x / (F a * x + (1 - F a)) >= f a <-> f a / (1 - f a) * / (F a / (1 - F a)) <= x).
  { assert (Q : forall y z w, 0 < w -> (y <= z <-> y * w <= z * w)).
    { intros y z w W. split; [intros; now apply Rmult_le_compat_r; [left |] | apply Rmult_le_reg_r, W]. }
    rewrite (Q (f a / (1 - f a) * / (F a / (1 - F a))) x (F a * (1 - f a))) by (apply Rmult_lt_0_compat; lra).
    replace (f a / (1 - f a) * / (F a / (1 - F a)) * (F a * (1 - f a))) with (f a * (1 - F a)) by (field; lra).
    split; intros L.
    - apply Rge_le in L. rewrite (Q _ _ _ D) in L. unfold Rdiv in L. rewrite Rmult_assoc, Rinv_l in L; lra.
    - apply Rle_ge. rewrite (Q _ _ _ D). unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  rewrite E. clear E.
  assert (G : 0 < f a / (1 - f a)) by (apply Rdiv_lt_0_compat; lra).
  assert (K : 0 < F a / (1 - F a)) by (apply Rdiv_lt_0_compat; lra).
  assert (E : f a / (1 - f a) * / (F a / (1 - F a)) = exp (- Logit (F a) + Logit (f a))).
  { unfold Logit. rewrite exp_plus, exp_Ropp, !exp_ln by trivial. apply Rmult_comm. }
  rewrite E. set (y := - Logit (F a) + Logit (f a)).
  assert (Z : exp y <= x <-> tau a * y <= b a).
  { replace (b a) with (tau a * (b a / tau a)) by (field; lra). unfold x. split; intros L.
    - apply Rmult_le_compat_l; [lra |]. apply Rnot_lt_le. intros M. apply exp_increasing in M. lra.
    - apply exp_le. now apply Rmult_le_reg_l in L. }
  rewrite Z. unfold Rmax. destruct (Rle_dec 0 (tau a * y)); lra.
Qed.

Theorem least_change : forall a, possible a -> KL_p a >= - Lambda_b a + b_f a / tau a.
Proof.
  intros a P. pose proof (arbitrary_distribution a P) as D. unfold KL_p. rewrite (divergence_is a P _ D).
  pose proof (gibbs_ruled a P _ D). pose proof (tau_pos a P) as T.
  assert (b_f a / tau a <= sum (fun i => strength a i * fidelity a (arbitrary a) i) (active a) / tau a); [| lra].
  apply Rmult_le_compat_r; [left; now apply Rinv_0_lt_compat |]. apply sum_le. intros i _.
  apply Rmult_le_compat_l; [now apply strength_nonneg |]. unfold met.
  destruct P as (_ & _ & _ & _ & _ & _ & _ & _ & G). specialize (G i). lra.
Qed.

Theorem least_change_attained : forall a, possible a -> KL_b a = - Lambda_b a + b_a a / tau a.
Proof.
  intros a P. pose proof (ruled_distribution a P) as D. unfold KL_b. rewrite (divergence_is a P _ D). fold (b_a a).
  rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |].
  intros j _. pose proof (ruled_pos a P j). unfold Rdiv. rewrite Rinv_r, ln_1 by lra. ring.
Qed.

Theorem a_solution_exists : forall a, possible a -> f a < f_star a ->
  Lambda_b a - b_sum a * f a / tau a >= b_sum a * (- f a + f_star a) / tau a + ln (a_min a).
Proof. intros a P _. pose proof (tilt_above a P). unfold Rdiv in *. lra. Qed.
