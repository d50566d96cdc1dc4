(** Facts about rule sets that proofs share: the rows are distributions, and what their fidelities sum to. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Rules.
Import ListNotations.
Open Scope R_scope.

(** A quotient by a positive sum. *)
Lemma sum_over : forall {A : Type} (h : A -> Rdefinitions.R) z l, sum (fun i => h i / z) l = sum h l / z.
Proof. intros A h z l. unfold Rdiv. apply sum_scale_r. Qed.

(** A set of numbers with a member and a bound has its supremum between them. *)
Lemma supremum : forall (E : Rdefinitions.R -> Prop) x y, E x -> (forall z, E z -> z <= y) -> x <= real (Lub_Rbar E) <= y.
Proof.
  intros E x y X B. destruct (Lub_Rbar_correct E) as [U L].
  specialize (U x X). specialize (L (Finite y) (fun z Z => B z Z)).
  destruct (Lub_Rbar E); simpl in *; tauto || lra.
Qed.

(** And its infimum. *)
Lemma infimum : forall (E : Rdefinitions.R -> Prop) x y, E x -> (forall z, E z -> y <= z) -> y <= real (Glb_Rbar E) <= x.
Proof.
  intros E x y X B. destruct (Glb_Rbar_correct E) as [U L].
  specialize (U x X). specialize (L (Finite y) (fun z Z => B z Z)).
  destruct (Glb_Rbar E); simpl in *; tauto || lra.
Qed.

Lemma seq_not_empty : forall n, (0 < n)%nat -> seq 0 n <> [].
Proof. intros [| n] N; [lia | discriminate]. Qed.

Section Facts.
Variable a : rule_set.
Hypothesis P : possible a.

Lemma tau_pos : 0 < tau a.
Proof. apply P. Qed.

Lemma weight_pos : forall j, 0 < weight a j.
Proof. apply P. Qed.

Lemma strength_nonneg : forall i, 0 <= strength a i.
Proof. apply P. Qed.

Lemma active_not_empty : active a <> [].
Proof. apply seq_not_empty, P. Qed.

Lemma each_not_empty : each a <> [].
Proof.
  intros E. destruct P as (_ & _ & _ & _ & _ & _ & _ & S & _). rewrite E in S. simpl in S. lra.
Qed.

Lemma total_pos : 0 < sum (weight a) (each a).
Proof. apply sum_pos; [apply each_not_empty | intros; apply weight_pos]. Qed.

Lemma plain_pos : forall j, 0 < plain a j.
Proof. intros j. apply Rdiv_lt_0_compat; [apply weight_pos | apply total_pos]. Qed.

Lemma plain_distribution : distribution (keys a) (plain a).
Proof.
  split; [intros j; left; apply plain_pos |]. unfold plain. rewrite sum_over. fold (each a).
  pose proof total_pos. field. lra.
Qed.

Lemma arbitrary_distribution : distribution (keys a) (arbitrary a).
Proof.
  destruct P as (_ & _ & _ & _ & _ & _ & N & S & _). split.
  - intros j. apply Rmult_le_pos; [apply N | left; now apply Rinv_0_lt_compat].
  - unfold arbitrary. rewrite sum_over. fold (each a). field. lra.
Qed.

Lemma multiplied_pos : forall j, 0 < multiplied a j.
Proof. intros j. apply Rmult_lt_0_compat; [apply plain_pos | apply exp_pos]. Qed.

Lemma multiplied_total : 0 < sum (multiplied a) (each a).
Proof. apply sum_pos; [apply each_not_empty | intros; apply multiplied_pos]. Qed.

Lemma ruled_distribution : distribution (keys a) (ruled a).
Proof.
  pose proof multiplied_total. split.
  - intros j. left. apply Rdiv_lt_0_compat; [apply multiplied_pos | assumption].
  - unfold ruled. rewrite sum_over. fold (each a). field. lra.
Qed.

(** Strengths times fidelities, summed by rule or by key. *)
Lemma by_key : forall p, sum (fun i => strength a i * fidelity a p i) (active a) = sum (fun j => p j * boost a j) (each a).
Proof.
  intros p. unfold fidelity, boost.
  rewrite (sum_ext _ (fun i => sum (fun j => p j * (strength a i * member a i j)) (each a))).
  - rewrite sum_swap. apply sum_ext. intros j _. apply sum_scale.
  - intros i _. rewrite <- sum_scale. apply sum_ext. intros; ring.
Qed.

Lemma member_inside : forall i j, 0 <= member a i j <= 1.
Proof. intros i j. unfold member. destruct (target a i j); lra. Qed.

(** A distribution's mean of numbers up to [y] is at most [y]. *)
Lemma mean_at_most : forall n p h y, distribution n p -> (forall j, (j < n)%nat -> h j <= y) ->
  sum (fun j => p j * h j) (seq 0 n) <= y.
Proof.
  intros n p h y [N S] B. rewrite <- (Rmult_1_l y), <- S, <- sum_scale_r. apply sum_le.
  intros j J. apply in_seq in J. apply Rmult_le_compat_l; [apply N | apply B; lia].
Qed.

Lemma mean_at_least : forall n p h y, distribution n p -> (forall j, (j < n)%nat -> y <= h j) ->
  y <= sum (fun j => p j * h j) (seq 0 n).
Proof.
  intros n p h y [N S] B. rewrite <- (Rmult_1_l y), <- S, <- sum_scale_r. apply sum_le.
  intros j J. apply in_seq in J. apply Rmult_le_compat_l; [apply N | apply B; lia].
Qed.

(** No fidelity of a distribution is above 1, so the supremum of their least is one. *)
Lemma shared_bounds : forall y, (forall p, distribution (keys a) p -> floor_of (rules a) (keys a) (member a) p <= y) -> f_star a <= y.
Proof.
  intros y B. unfold f_star, highest_floor. eapply supremum.
  - exists (plain a). split; [apply plain_distribution | reflexivity].
  - intros z (p & D & ->). now apply B.
Qed.

Lemma below_shared : forall p, distribution (keys a) p -> least (fidelity a p) (active a) <= f_star a.
Proof.
  intros p D. unfold f_star, highest_floor. apply supremum with (y := 1); [exists p; auto |].
  intros z (q & E & ->). unfold floor_of.
  pose proof P as (N & _). assert (I : In 0%nat (seq 0 (rules a))) by (apply in_seq; lia).
  eapply Rle_trans; [apply (above_least _ _ _ I) |]. apply mean_at_most; [exact E | intros; apply member_inside].
Qed.
End Facts.
