(** The functions the statements use that the standard library lacks, and the facts about them that proofs need. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

Definition Logistic (x : R) : R := 1 / (1 + exp (- x)).
Definition Logit (p : R) : R := ln (p / (1 - p)).
Definition BinaryEntropy (p : R) : R := - p * ln p - (1 - p) * ln (1 - p).
Definition BinaryDivergence (p q : R) : R := p * ln (p / q) + (1 - p) * ln ((1 - p) / (1 - q)).
(** The least integer that is not below [x]. *)
Definition ceiling (x : R) : R := - IZR (Int_part (- x)).
(** The largest integer that is not above [x]. *)
Definition floor (x : R) : R := IZR (Int_part x).

(** The exponential rises. *)
Lemma exp_le : forall x y, x <= y -> exp x <= exp y.
Proof. intros x y [L | E]; [left; now apply exp_increasing | subst; lra]. Qed.

(** The logarithm rises. *)
Lemma ln_le : forall x y, 0 < x -> x <= y -> ln x <= ln y.
Proof. intros x y P [L | E]; [left; now apply ln_increasing | subst; lra]. Qed.

(** The logarithm lies below its tangent at 1. *)
Lemma ln_below_tangent : forall x, 0 < x -> ln x <= x - 1.
Proof. intros x P. pose proof (exp_ineq1_le (ln x)) as T. rewrite exp_ln in T; lra. Qed.

(** The logarithm of a quotient. *)
Lemma ln_quotient : forall x y, 0 < x -> 0 < y -> ln (x / y) = ln x - ln y.
Proof. intros x y P Q. unfold Rdiv. rewrite ln_mult, ln_Rinv; auto using Rinv_0_lt_compat. Qed.

(** One term of Gibbs's inequality: [p log (q/p) <= q - p], also where [p] is 0. *)
Lemma gibbs_term : forall p q, 0 <= p -> 0 < q -> p * (ln q - ln p) <= q - p.
Proof.
  intros p q [P | P] Q; [| subst; lra].
  rewrite <- ln_quotient by assumption.
  pose proof (ln_below_tangent (q / p) (Rdiv_lt_0_compat _ _ Q P)) as T.
  apply (Rmult_le_compat_l p) in T; [| lra].
  replace (p * (q / p - 1)) with (q - p) in T by (field; lra). exact T.
Qed.

(** The logistic function lies strictly between 0 and 1. *)
Lemma logistic_inside : forall x, 0 < Logistic x < 1.
Proof.
  intros x. unfold Logistic. pose proof (exp_pos (- x)).
  split; [apply Rdiv_lt_0_compat; lra | apply (Rmult_lt_reg_r (1 + exp (- x))); [lra |]].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** The logistic function rises. *)
Lemma logistic_le : forall x y, x <= y -> Logistic x <= Logistic y.
Proof.
  intros x y L. unfold Logistic, Rdiv. rewrite !Rmult_1_l.
  pose proof (exp_pos (- y)). pose proof (exp_le (- y) (- x)).
  apply Rinv_le_contravar; lra.
Qed.

(** The logit undoes the logistic function. *)
Lemma logit_logistic : forall x, Logit (Logistic x) = x.
Proof.
  intros x. unfold Logit, Logistic. pose proof (exp_pos (- x)) as P.
  replace (1 / (1 + exp (- x)) / (1 - 1 / (1 + exp (- x)))) with (/ exp (- x)) by (field; lra).
  rewrite <- exp_Ropp, Ropp_involutive. apply ln_exp.
Qed.

(** The logistic function undoes the logit. *)
Lemma logistic_logit : forall p, 0 < p < 1 -> Logistic (Logit p) = p.
Proof.
  intros p P. unfold Logistic, Logit. rewrite exp_Ropp, exp_ln by (apply Rdiv_lt_0_compat; lra).
  field. lra.
Qed.

(** [sigma(x) <= p] says that [x <= logit p]. *)
Lemma logistic_le_iff : forall x p, 0 < p < 1 -> (Logistic x <= p <-> x <= Logit p).
Proof.
  intros x p P. split; intros L.
  - rewrite <- (logit_logistic x). unfold Logit. pose proof (logistic_inside x) as [A B].
    apply ln_le; [apply Rdiv_lt_0_compat; lra |].
    apply Rmult_le_compat; try lra; [left; apply Rinv_0_lt_compat; lra |].
    apply Rinv_le_contravar; lra.
  - rewrite <- (logistic_logit p P). now apply logistic_le.
Qed.

(** The logit of the complementary probability. *)
Lemma logit_complement : forall p, 0 < p < 1 -> Logit (1 - p) = - Logit p.
Proof.
  intros p P. unfold Logit. replace (1 - (1 - p)) with p by ring.
  rewrite !ln_quotient by lra. ring.
Qed.

(** Binary entropy lies below its tangents: the two-point case of Gibbs's inequality. *)
Lemma binary_entropy_below : forall p q, 0 <= p <= 1 -> 0 < q < 1 ->
  BinaryEntropy p <= - p * ln q - (1 - p) * ln (1 - q).
Proof.
  intros p q P Q. unfold BinaryEntropy.
  pose proof (gibbs_term p q). pose proof (gibbs_term (1 - p) (1 - q)). lra.
Qed.
