(** F3, the cost of a schedule: a gain rises with the dial and is convex in it; at equal mean dial its slope decides. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Schedule ScheduleFacts Gains.
Import ListNotations.
Open Scope R_scope.

(** What F3 asks of a schedule. *)
Definition ordered (a : schedule) : Prop := sound a /\ beta_t a > beta_s a /\ positive_weights a.

Theorem some_instance : exists a, possible a /\ L a >= 2 /\ beta_t a > beta_s a /\ positive_weights a.
Proof. exact some_sound. Qed.

Section Facts.
Variable a : schedule.
Hypothesis P : ordered a.

Lemma exponents : 0 <= beta_s a < beta_t a.
Proof. destruct P as ([(_ & B & _) _] & S & _). lra. Qed.

Lemma L_at_least_2 : 2 <= L a.
Proof. apply ScheduleFacts.L_at_least_2, P. Qed.

Lemma largest_dial : 0 < lambda_max a <= 1.
Proof. apply ScheduleFacts.largest_dial, P. Qed.

Lemma share_inside : forall i, (i < layers a)%nat -> 0 <= share a i <= 1.
Proof. apply ScheduleFacts.share_inside, P. Qed.

Lemma dial_inside : forall b i, 0 <= b -> (i < layers a)%nat -> 0 <= dial a b i <= lambda_max a.
Proof. apply ScheduleFacts.dial_inside, P. Qed.

Lemma leak_inside : forall i, 0 < leak a i < 1.
Proof. now destruct P as ([(_ & _ & _ & _ & _ & E) _] & _). Qed.

Lemma weight_pos : forall i, 0 < weight a i.
Proof. now destruct P as (_ & _ & W). Qed.

(** A layer's dial is no larger under the steeper schedule. *)
Lemma dial_falls : forall i, (i < layers a)%nat -> dial a (beta_t a) i <= dial a (beta_s a) i.
Proof.
  intros i I. pose proof largest_dial. pose proof exponents. apply Rmult_le_compat_l; [lra |].
  apply power_falls; [now apply share_inside | lra].
Qed.

(** And smaller at an inner layer. *)
Lemma dial_falls_inside : forall i, 0 < share a i < 1 -> dial a (beta_t a) i < dial a (beta_s a) i.
Proof.
  intros i S. pose proof largest_dial. pose proof exponents. apply Rmult_lt_compat_l; [lra |].
  apply power_falls_inside; [exact S | lra].
Qed.

Lemma share_inner : forall x, 0 < INR x < L a - 1 -> 0 < share a x < 1.
Proof.
  intros x X. unfold share. split; [apply Rdiv_lt_0_compat; lra |]. apply (Rmult_lt_reg_r (L a - 1)); [lra |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** One term of the cost. *)
Lemma term_le : forall i, (i < layers a)%nat ->
  weight a i * gained (dial a (beta_t a) i) (leak a i) <= weight a i * gained (dial a (beta_s a) i) (leak a i).
Proof.
  intros i I. pose proof (dial_falls i I). pose proof exponents. pose proof largest_dial.
  pose proof (dial_inside (beta_s a) i ltac:(lra) I). pose proof (leak_inside i).
  apply Rmult_le_compat_l; [left; apply weight_pos | apply gained_le; lra].
Qed.
End Facts.

Theorem layer : forall a, possible a -> L a >= 2 -> beta_t a > beta_s a -> positive_weights a ->
  F_gain a = epsilon a * lambda_l a * (1 - epsilon a) / (- epsilon a * lambda_l a + 1).
Proof.
  intros a Q T B W. assert (P : ordered a) by (repeat split; trivial; apply Q). apply gained_is; [now apply leak_inside |]. pose proof (exponents a P). pose proof (largest_dial a P).
  pose proof (dial_inside a P (beta_s a) (here a) ltac:(lra) (here_inside a (proj1 P))). unfold lambda_l. lra.
Qed.

Theorem inner_dial : forall a, possible a -> L a >= 2 -> beta_t a > beta_s a -> positive_weights a -> l a > 0 /\ l a < L a - 1 -> lambda_t a < lambda_l a.
Proof. intros a Q T V W [A B]. assert (P : ordered a) by (repeat split; trivial; apply Q). apply dial_falls_inside; trivial. apply share_inner. unfold l in *. lra. Qed.

Theorem steeper : forall a, possible a -> L a >= 2 -> beta_t a > beta_s a -> positive_weights a -> K_t a <= K_s a.
Proof.
  intros a Q T B W. assert (P : ordered a) by (repeat split; trivial; apply Q).
  apply sum_le. intros i I. apply term_le; trivial. now apply layer_inside.
Qed.

Theorem strictly_steeper : forall a, possible a -> L a >= 2 -> beta_t a > beta_s a -> positive_weights a -> L a >= 3 -> K_t a < K_s a.
Proof.
  intros a Q V B W N. assert (P : ordered a) by (repeat split; trivial; apply Q). unfold K_t, K_s, cost.
  assert (I : In 1%nat (each a)).
  { apply in_seq. split; [lia |]. simpl. apply INR_lt. fold (L a). simpl. lra. }
  assert (T : forall i, In i (each a) -> weight a i * gained (dial a (beta_t a) i) (leak a i)
                                     <= weight a i * gained (dial a (beta_s a) i) (leak a i)).
  { intros i J. apply term_le; trivial. now apply layer_inside. }
  assert (S : weight a 1%nat * gained (dial a (beta_t a) 1) (leak a 1%nat)
            < weight a 1%nat * gained (dial a (beta_s a) 1) (leak a 1%nat)).
  { pose proof (exponents a P). pose proof (largest_dial a P).
    pose proof (dial_inside a P (beta_s a) 1 ltac:(lra) ltac:(now apply layer_inside)).
    apply Rmult_lt_compat_l; [now apply weight_pos |]. apply gained_lt; [now apply leak_inside | | lra].
    apply dial_falls_inside; trivial. apply share_inner. simpl. lra. }
  exact (sum_lt _ _ _ 1%nat T I S).
Qed.

Section EqualMean.
Variable a : schedule.
Hypothesis P : ordered a.

Definition budget (b : R) : R := sum (fun i => power (share a i) b) (each a).

(** A schedule's powers sum to at least the last layer's, which is 1. *)
Lemma budget_pos : forall b, 0 <= b -> 0 < budget b.
Proof.
  intros b B. pose proof (L_at_least_2 a P). destruct (layers a) as [| n] eqn:N; [unfold L in *; rewrite N in *; simpl in *; lra |].
  unfold budget, each. rewrite N, seq_S, sum_app. simpl sum at 2.
  assert (0 <= sum (fun i => power (share a i) b) (seq 0 n)).
  { apply sum_nonneg. intros i I. apply in_seq in I. apply power_inside; [| exact B]. apply share_inside; trivial. lia. }
  assert (0 < power (share a n) b); [| lra]. rewrite power_pos; [apply Rpower_pos |].
  unfold share. unfold L in *. rewrite N, S_INR in *. apply Rdiv_lt_0_compat; lra.
Qed.

Lemma scale_inside : 0 < scale a (beta_s a) <= 1.
Proof.
  unfold scale. fold (budget (beta_t a)) (budget (beta_s a)). pose proof (exponents a P).
  pose proof (budget_pos (beta_t a) ltac:(lra)). pose proof (budget_pos (beta_s a) ltac:(lra)).
  split; [apply Rdiv_lt_0_compat; lra |]. apply (Rmult_le_reg_r (budget (beta_s a))); [lra |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l by lra.
  apply sum_le. intros i I. apply power_falls; [apply share_inside; trivial; now apply layer_inside | lra].
Qed.

Lemma scale_steeper : scale a (beta_t a) = 1.
Proof.
  unfold scale. fold (budget (beta_t a)). pose proof (exponents a P).
  pose proof (budget_pos (beta_t a) ltac:(lra)). apply Rinv_r. lra.
Qed.

(** The depth at which the steeper schedule overtakes the scaled one. *)
Definition crossing : R := Rpower (scale a (beta_s a)) (1 / (beta_t a - beta_s a)).

(** Beyond it the steeper dial is the larger, before it the smaller. *)
Lemma overtaken : forall x, 0 < x ->
  (crossing <= x -> scale a (beta_s a) * Rpower x (beta_s a) <= Rpower x (beta_t a)) /\
  (x <= crossing -> Rpower x (beta_t a) <= scale a (beta_s a) * Rpower x (beta_s a)).
Proof.
  intros x X. pose proof scale_inside as S. pose proof (exponents a P).
  replace (Rpower x (beta_t a)) with (Rpower x (beta_t a - beta_s a) * Rpower x (beta_s a))
    by (rewrite <- Rpower_plus; f_equal; ring).
  pose proof (Rpower_pos x (beta_s a)).
  assert (E : scale a (beta_s a) = Rpower crossing (beta_t a - beta_s a)).
  { unfold crossing. rewrite Rpower_undone'; lra. }
  rewrite E. split; intros O; apply Rmult_le_compat_r; try lra; apply Rpower_le; try lra. apply Rpower_pos.
Qed.
End EqualMean.

Theorem equal_mean_dial : forall a, possible a -> L a >= 2 -> beta_t a > beta_s a -> positive_weights a -> K_t_even a >= K_s_even a.
Proof.
  intros a Q V W U. assert (P : ordered a) by (repeat split; trivial; apply Q). clear Q V W U.
  apply Rle_ge. unfold K_t_even, K_s_even, even_cost. rewrite scale_steeper by trivial.
  pose proof (exponents a P) as B. pose proof (largest_dial a P) as M. pose proof (scale_inside a P) as S.
  set (s := scale a (beta_s a)) in *. assert (C : 0 < crossing a) by apply Rpower_pos.
  assert (C1 : crossing a <= 1).
  { unfold crossing. fold s. rewrite <- (power_pos s) by lra. apply power_inside; [lra |].
    left. apply Rdiv_lt_0_compat; lra. }
  apply (spread_gains (fun i => s * dial a (beta_s a) i) (fun i => 1 * dial a (beta_t a) i)
    (s * (lambda_max a * Rpower (crossing a) (beta_s a)))).
  - now apply leak_inside.
  - pose proof (power_inside (crossing a) (beta_s a) ltac:(lra) ltac:(lra)) as I. rewrite power_pos in I by exact C.
    rewrite <- (Rmult_1_l 1). apply Rmult_le_compat; try lra; [apply Rmult_le_pos; lra |].
    rewrite <- (Rmult_1_l 1). apply Rmult_le_compat; lra.
  - intros i I. apply layer_inside in I. pose proof (dial_inside a P (beta_s a) i ltac:(lra) I).
    pose proof (dial_inside a P (beta_t a) i ltac:(lra) I). split; [| lra].
    rewrite <- (Rmult_1_l 1). apply Rmult_le_compat; lra.
  - unfold dial. rewrite !sum_scale. unfold s, scale. fold (budget a (beta_t a)) (budget a (beta_s a)).
    pose proof (budget_pos a P (beta_s a) ltac:(lra)). field. lra.
  - intros i I. apply layer_inside in I. pose proof (share_inside a P i I) as X. unfold dial. cbv beta.
    destruct (Rle_lt_dec (share a i) 0) as [Z | Z].
    + right. replace (share a i) with 0 by lra. rewrite (power_0 (beta_t a)) by lra.
      destruct (Req_dec (beta_s a) 0) as [E | E].
      * rewrite E. unfold power. destruct (Rlt_dec 0 0); [lra |]. rewrite Rpower_O by exact C.
        assert (0 < s * (lambda_max a * 1)) by (apply Rmult_lt_0_compat; lra). lra.
      * rewrite power_0 by lra. pose proof (Rpower_pos (crossing a) (beta_s a)).
        assert (0 < s * (lambda_max a * Rpower (crossing a) (beta_s a))) by (apply Rmult_lt_0_compat; [lra |]; apply Rmult_lt_0_compat; lra). lra.
    + rewrite !power_pos by exact Z. destruct (overtaken a P (share a i) Z) as [U V]. fold s in U, V.
      destruct (Rle_lt_dec (crossing a) (share a i)) as [O | O].
      * left. specialize (U O). split.
        -- apply (Rmult_le_compat_l (lambda_max a)) in U; lra.
        -- apply Rmult_le_compat_l; [lra |]. apply Rmult_le_compat_l; [lra |]. apply Rpower_le; lra.
      * right. specialize (V ltac:(lra)). split.
        -- apply (Rmult_le_compat_l (lambda_max a)) in V; lra.
        -- apply Rmult_le_compat_l; [lra |]. apply Rmult_le_compat_l; [lra |]. apply Rpower_le; lra.
Qed.
