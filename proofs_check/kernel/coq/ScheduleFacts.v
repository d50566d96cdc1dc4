(** What follows at once from the definitions of a schedule: depths from 0 to 1, and powers of them. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Schedule.
Open Scope R_scope.

(** For positive numbers the power is the library's. *)
Lemma power_pos : forall x b, 0 < x -> power x b = Rpower x b.
Proof. intros x b P. unfold power. destruct (Rlt_dec 0 x); [reflexivity | lra]. Qed.

Lemma power_0 : forall b, 0 < b -> power 0 b = 0.
Proof. intros b P. unfold power. destruct (Rlt_dec 0 0); [lra |]. destruct (Rlt_dec 0 b); [reflexivity | lra]. Qed.

Lemma Rpower_pos : forall x b, 0 < Rpower x b.
Proof. intros x b. apply exp_pos. Qed.

(** Powers of numbers in [0, 1] lie there too. *)
Lemma power_inside : forall x b, 0 <= x <= 1 -> 0 <= b -> 0 <= power x b <= 1.
Proof.
  intros x b X B. unfold power. destruct (Rlt_dec 0 x) as [P |]; [| destruct (Rlt_dec 0 b); lra].
  split; [left; apply Rpower_pos |]. unfold Rpower. rewrite <- exp_0. apply exp_le.
  pose proof (ln_below_tangent x P). assert (0 <= b * - ln x) by (apply Rmult_le_pos; lra). lra.
Qed.

(** A larger exponent gives a smaller power, strictly so inside. *)
Lemma power_falls : forall x b c, 0 <= x <= 1 -> 0 <= b <= c -> power x c <= power x b.
Proof.
  intros x b c X B. unfold power. destruct (Rlt_dec 0 x) as [P |].
  - unfold Rpower. apply exp_le. pose proof (ln_below_tangent x P).
    assert (0 <= (c - b) * - ln x) by (apply Rmult_le_pos; lra). lra.
  - destruct (Rlt_dec 0 b); destruct (Rlt_dec 0 c); lra.
Qed.

Lemma power_falls_inside : forall x b c, 0 < x < 1 -> b < c -> power x c < power x b.
Proof.
  intros x b c X B. rewrite !power_pos by lra. unfold Rpower. apply exp_increasing.
  pose proof (ln_below_tangent x ltac:(lra)). assert (0 < (c - b) * - ln x) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(** Rising in the base. *)
Lemma Rpower_le : forall x y b, 0 < x -> x <= y -> 0 <= b -> Rpower x b <= Rpower y b.
Proof. intros x y b P E B. apply exp_le, Rmult_le_compat_l; [exact B | now apply ln_le]. Qed.

(** A power undone by the inverse exponent. *)
Lemma Rpower_undone : forall x b, 0 < x -> b <> 0 -> Rpower (Rpower x b) (1 / b) = x.
Proof. intros x b P N. rewrite Rpower_mult. replace (b * (1 / b)) with 1 by (field; exact N). now apply Rpower_1. Qed.

Lemma Rpower_undone' : forall x b, 0 < x -> b <> 0 -> Rpower (Rpower x (1 / b)) b = x.
Proof. intros x b P N. rewrite Rpower_mult. replace (1 / b * b) with 1 by (field; exact N). now apply Rpower_1. Qed.

(** A schedule of two layers at least. *)
Definition sound (a : schedule) : Prop := possible a /\ L a >= 2.

(** There is one that is steeper, with positive weights, and needs a dial that its last layer has. *)
Lemma some_sound : exists a, possible a /\ L a >= 2 /\ beta_t a > beta_s a /\ positive_weights a.
Proof.
  exists (Schedule 2 0 1 2 1 1 (fun _ => 1 / 2) (fun _ => 1)). unfold possible, positive_weights, L; simpl.
  repeat split; intros; try lra; lia.
Qed.

Section Facts.
Variable a : schedule.
Hypothesis P : sound a.

Lemma L_at_least_2 : 2 <= L a.
Proof. destruct P as [_ N]. lra. Qed.

Lemma largest_dial : 0 < lambda_max a <= 1.
Proof. now destruct P as [(_ & _ & _ & M & _) _]. Qed.

Lemma needed_dial : 0 < lambda_star a <= 1.
Proof. now destruct P as [(_ & _ & _ & _ & N & _) _]. Qed.

Lemma here_inside : (here a < layers a)%nat.
Proof. now destruct P as [(I & _) _]. Qed.

Lemma layer_inside : forall i, In i (each a) -> (i < layers a)%nat.
Proof. intros i I. apply in_seq in I. lia. Qed.

(** Depths lie in [0, 1]. *)
Lemma share_inside : forall i, (i < layers a)%nat -> 0 <= share a i <= 1.
Proof.
  intros i I. pose proof L_at_least_2. unfold share. apply le_INR in I. rewrite S_INR in I. fold (L a) in I.
  pose proof (pos_INR i). split; [apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra] |].
  apply (Rmult_le_reg_r (L a - 1)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** Dials lie between 0 and the largest. *)
Lemma dial_inside : forall b i, 0 <= b -> (i < layers a)%nat -> 0 <= dial a b i <= lambda_max a.
Proof.
  intros b i B I. unfold dial. pose proof (power_inside _ b (share_inside i I) B). pose proof largest_dial.
  split; [apply Rmult_le_pos; lra |]. rewrite <- (Rmult_1_r (lambda_max a)) at 2. apply Rmult_le_compat_l; lra.
Qed.

(** A layer is at a depth just as its number over that of the last. *)
Lemma share_ge : forall i x, share a i >= x <-> INR i >= x * (L a - 1).
Proof.
  intros i x. pose proof L_at_least_2. unfold share.
  replace (INR i) with (INR i / (L a - 1) * (L a - 1)) at 2 by (field; lra).
  split; intros E; apply Rle_ge; apply Rge_le in E.
  - apply Rmult_le_compat_r; lra.
  - apply (Rmult_le_reg_r (L a - 1)); lra.
Qed.
End Facts.
