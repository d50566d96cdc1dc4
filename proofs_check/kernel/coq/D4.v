(** D4, copies of an anchor: leak and entropy depend on their number [n] through [n + W], and [log t + c/t] falls, then
    rises. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Row RowFacts Copies.
Import ListNotations.
Open Scope R_scope.

Definition sound (a : copied) : Prop := Copies.possible a /\ equal_copies a.

Theorem some_instance : exists a, Copies.possible a /\ equal_copies a /\ (R_few a <= R_u a /\ R_u a <= R_many a).
Proof.
  exists (Copied 1 0 [0] 1 1 1 1 (1 / 2)). unfold Copies.possible, equal_copies, R_few, R_u, R_many. simpl.
  repeat split; auto; try discriminate; lra.
Qed.

Section Facts.
Variable a : copied.
Hypothesis P : sound a.
Let t := Copies.tau a.

Lemma t_pos : 0 < t.
Proof. apply P. Qed.

(** One copy's weight, and the weight outside. *)
Definition x (up : Rdefinitions.R) : Rdefinitions.R := exp ((height a + up) / t).
Definition Z : Rdefinitions.R := sum (fun s => exp (s / t)) (outside a).
(** The mean score outside. *)
Definition rest : Rdefinitions.R := sum (fun s => exp (s / t) * s) (outside a) / Z.

Lemma Z_pos : 0 < Z.
Proof. apply sum_pos; [apply P | intros; apply exp_pos]. Qed.

Lemma x_pos : forall up, 0 < x up.
Proof. intros; apply exp_pos. Qed.

(** A sum over the block. *)
Lemma block_sum : forall f n up, (0 < n)%nat -> sum f (map scored (block_of a n up)) = INR n * f (scored (height a + up)).
Proof.
  intros f n up N. rewrite sum_map. unfold block_of. destruct P as [_ E]. unfold equal_copies in E.
  rewrite E, Rplus_0_r, sum_app. destruct n as [| n]; [lia |]. replace (S n - 1)%nat with n by lia. rewrite S_INR.
  replace (sum (fun i => f (scored i)) (repeat (height a + up) n)) with (INR n * f (scored (height a + up))); [simpl; ring |].
  clear N. induction n as [| n I]; [simpl; ring |]. rewrite S_INR. simpl. rewrite <- I. ring.
Qed.

Lemma row_possible : forall n up, (0 < n)%nat -> Row.possible (with_copies a n up).
Proof.
  intros n up N. destruct P as ((O & _ & _ & _ & T & _) & _).
  assert (B : block_of a n up <> []) by (unfold block_of; destruct (repeat _ _); discriminate).
  unfold Row.possible, keys. simpl. rewrite <- map_app. repeat split; try lra.
  - intros E. apply map_eq_nil in E. contradiction.
  - intros E. apply map_eq_nil in E. contradiction.
  - intros i I. apply in_map_iff in I as (s & <- & _). simpl. lra.
  - apply sum_pos; [| intros i I; apply in_map_iff in I as (s & <- & _); simpl; lra].
    intros E. apply map_eq_nil, app_eq_nil in E. tauto.
Qed.

Section Row.
Variables (n : nat) (up : Rdefinitions.R).
Hypothesis N : (0 < n)%nat.
Let b := with_copies a n up.

Lemma inside_is : sum (boltzmann b) (block b) = INR n * x up.
Proof. unfold b. simpl. rewrite block_sum by exact N. reflexivity. Qed.

Lemma outside_is : sum (boltzmann b) (others b) = Z.
Proof. unfold b. simpl. rewrite sum_map. reflexivity. Qed.

Lemma n_pos : 0 < INR n.
Proof. now apply lt_0_INR. Qed.

Lemma all_pos : 0 < INR n * x up + Z.
Proof. pose proof n_pos. pose proof (x_pos up). pose proof Z_pos. pose proof (Rmult_lt_0_compat (INR n) (x up)). lra. Qed.

Lemma mass_at : forall i, mass b i = boltzmann b i / (INR n * x up + Z).
Proof. intros i. rewrite mass_is. unfold Z_B, Z_C. rewrite inside_is, outside_is. reflexivity. Qed.

Lemma leak_at : Row.epsilon b = Z / (INR n * x up + Z).
Proof. rewrite epsilon_is. unfold Z_B, Z_C. now rewrite inside_is, outside_is. Qed.

Lemma fidelity_at : Row.F b = INR n * x up / (INR n * x up + Z).
Proof. rewrite F_is. unfold Z_B, Z_C. now rewrite inside_is, outside_is. Qed.

(** The entropy is the logarithm of the sum less the mean score. *)
Lemma entropy_at : Row.H b = ln (INR n * x up + Z) - (INR n * x up * (height a + up) + Z * rest) / (INR n * x up + Z) / t.
Proof.
  pose proof all_pos as A. pose proof t_pos as T. pose proof Z_pos as Q. unfold Row.H.
  rewrite (sum_ext _ (fun i => boltzmann b i * (ln (INR n * x up + Z) / (INR n * x up + Z))
    - boltzmann b i * score i * / ((INR n * x up + Z) * t))).
  - rewrite sum_minus, !sum_scale_r. unfold keys. rewrite !sum_app, inside_is, outside_is.
    replace (sum (fun i => boltzmann b i * score i) (block b)) with (INR n * x up * (height a + up))
      by (unfold b; simpl; rewrite block_sum by exact N; unfold boltzmann, x, t; simpl; ring).
    replace (sum (fun i => boltzmann b i * score i) (others b)) with (Z * rest).
    + field. lra.
    + unfold rest, b. simpl. rewrite sum_map. unfold boltzmann; simpl. fold t. field. lra.
  - intros i _. unfold surprise. rewrite mass_at, ln_quotient by (trivial; apply exp_pos). unfold boltzmann at 2.
    rewrite ln_exp. change (Row.tau b) with t. field. lra.
Qed.
End Row.

(** The weight outside over that of one copy, and how far a copy is above the mean outside, in nats. *)
Definition W : Rdefinitions.R := Z / x 0.
Definition g : Rdefinitions.R := (height a - rest) / t.
Definition phi (c y : Rdefinitions.R) : Rdefinitions.R := ln y + c / y.

Lemma W_pos : 0 < W.
Proof. apply Rdiv_lt_0_compat; [apply Z_pos | apply x_pos]. Qed.

Lemma leak_of : forall n, (0 < n)%nat -> Row.epsilon (with_copies a n 0) = W / (INR n + W).
Proof.
  intros n N. rewrite leak_at by exact N. unfold W. pose proof (x_pos 0). pose proof (all_pos n 0 N). field. lra.
Qed.

Lemma ln_x : forall up, ln (x up) = (height a + up) / t.
Proof. intros. apply ln_exp. Qed.

Lemma entropy_of : forall n, (0 < n)%nat -> Row.H (with_copies a n 0) = phi (g * W) (INR n + W).
Proof.
  intros n N. rewrite entropy_at by exact N. unfold phi, g, W. pose proof (x_pos 0) as X. pose proof (all_pos n 0 N) as A.
  pose proof t_pos. pose proof (n_pos n N). pose proof Z_pos.
  replace (INR n + Z / x 0) with ((INR n * x 0 + Z) / x 0) by (field; lra).
  rewrite ln_quotient, ln_x by trivial. field. repeat split; lra.
Qed.

Lemma copies_pos : (0 < copies a)%nat.
Proof. apply P. Qed.

Lemma R_pos : 0 < R_u a.
Proof. apply lt_0_INR, copies_pos. Qed.

Lemma few_pos : 0 < R_few a.
Proof. apply lt_0_INR, P. Qed.

Lemma epsilon_of : Copies.epsilon a = W / (R_u a + W).
Proof. apply leak_of, copies_pos. Qed.

Lemma epsilon_few_of : epsilon_few a = W / (R_few a + W).
Proof. apply leak_of, P. Qed.

Lemma H_of : Copies.H a = phi (g * W) (R_u a + W).
Proof. apply entropy_of, copies_pos. Qed.

Lemma H_few_of : H_few a = phi (g * W) (R_few a + W).
Proof. apply entropy_of, P. Qed.

Lemma H_many_of : H_many a = phi (g * W) (R_many a + W).
Proof. apply entropy_of, P. Qed.

Lemma x_up : x (t * ln (R_u a)) = R_u a * x 0.
Proof.
  unfold x. replace ((height a + t * ln (R_u a)) / t) with (ln (R_u a) + (height a + 0) / t)
    by (field; pose proof t_pos; lra). rewrite exp_plus, exp_ln by apply R_pos. reflexivity.
Qed.

Lemma epsilon_up_of : epsilon_up a = W / (R_u a + W).
Proof.
  unfold epsilon_up, one_up. rewrite leak_at by lia. fold t (R_u a). rewrite x_up. simpl INR. unfold W.
  pose proof (x_pos 0). pose proof Z_pos. pose proof (Rmult_lt_0_compat _ _ R_pos (x_pos 0)). field. lra.
Qed.

Lemma H_up_of : H_up a = phi (g * W) (R_u a + W) - R_u a / (R_u a + W) * ln (R_u a).
Proof.
  unfold H_up, one_up. rewrite entropy_at by lia. fold t (R_u a). rewrite x_up. simpl INR. rewrite !Rmult_1_l. unfold phi, g, W.
  pose proof (x_pos 0). pose proof Z_pos. pose proof R_pos. pose proof (Rmult_lt_0_compat _ _ R_pos (x_pos 0)). pose proof t_pos.
  replace (R_u a + Z / x 0) with ((R_u a * x 0 + Z) / x 0) by (field; lra).
  rewrite (ln_quotient (R_u a * x 0 + Z)), ln_x by lra. field. repeat split; lra.
Qed.

Lemma sbar_B_is : Copies.sbar_B a = height a.
Proof.
  unfold Copies.sbar_B, Row.sbar_B, its_row. pose proof copies_pos as N. rewrite fidelity_at by exact N.
  rewrite (sum_ext _ (fun i => boltzmann (with_copies a (copies a) 0) i * score i * / (INR (copies a) * x 0))).
  - simpl. rewrite block_sum by exact N. unfold boltzmann, x, t. simpl. rewrite Rplus_0_r.
    pose proof (exp_pos (height a / Copies.tau a)). pose proof (n_pos _ N). field. lra.
  - intros i _. rewrite mass_at by exact N. pose proof (all_pos _ 0 N). pose proof (n_pos _ N). pose proof (x_pos 0). field. lra.
Qed.

Lemma sbar_C_is : Copies.sbar_C a = rest.
Proof.
  unfold Copies.sbar_C, Row.sbar_C, its_row. pose proof copies_pos as N. rewrite leak_at by exact N. pose proof Z_pos.
  rewrite (sum_ext _ (fun i => boltzmann (with_copies a (copies a) 0) i * score i * / Z)).
  - rewrite sum_scale_r. simpl. rewrite sum_map. reflexivity.
  - intros i _. rewrite mass_at by exact N. pose proof (all_pos _ 0 N). field. lra.
Qed.

Lemma above_is : (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a = g.
Proof. now rewrite sbar_B_is, sbar_C_is. Qed.

Lemma odds_is : epsilon_one a = W / (1 + W).
Proof. unfold epsilon_one. rewrite leak_of by lia. reflexivity. Qed.

(** [log t + c/t] falls up to [c] and rises from there. *)
Lemma phi_rises : forall c y z, 0 < y -> y <= z -> c <= y -> phi c y <= phi c z.
Proof.
  intros c y z Y L C. unfold phi. pose proof (ln_below_tangent (y / z) ltac:(apply Rdiv_lt_0_compat; lra)) as T.
  rewrite ln_quotient in T by lra.
  assert (0 <= (z - y) * (y - c) * / (y * z)).
  { apply Rmult_le_pos; [apply Rmult_le_pos; lra | left; apply Rinv_0_lt_compat, Rmult_lt_0_compat; lra]. }
  replace ((z - y) * (y - c) * / (y * z)) with (1 - y / z + (c / z - c / y)) in H by (field; lra). lra.
Qed.

Lemma phi_falls : forall c y z, 0 < y -> y <= z -> z <= c -> phi c z <= phi c y.
Proof.
  intros c y z Y L C. unfold phi. pose proof (ln_below_tangent (z / y) ltac:(apply Rdiv_lt_0_compat; lra)) as T.
  rewrite ln_quotient in T by lra.
  assert (0 <= (z - y) * (c - z) * / (y * z)).
  { apply Rmult_le_pos; [apply Rmult_le_pos; lra | left; apply Rinv_0_lt_compat, Rmult_lt_0_compat; lra]. }
  replace ((z - y) * (c - z) * / (y * z)) with (1 - z / y + (c / y - c / z)) in H by (field; lra). lra.
Qed.
End Facts.

Theorem score_saved : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  Copies.epsilon a = epsilon_up a.
Proof. intros a P E _. assert (Q : sound a) by now split. now rewrite (epsilon_of a Q), (epsilon_up_of a Q). Qed.

Theorem separation_saved : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  ((Copies.Delta a >= - ln (R_u a) + ln (Copies.k a) + Logit (1 - Copies.epsilon_target a))
   <-> (Copies.epsilon a <= Copies.epsilon_target a)).
Proof.
  intros a P E _. assert (Q : sound a) by now split. pose proof P as (_ & N & _ & _ & _ & T).
  pose proof (row_possible a Q (copies a) 0 N) as V. pose proof (epsilon_is_logistic _ V) as L. fold (its_row a) in V, L.
  unfold Copies.epsilon, Copies.Delta, Copies.k. rewrite L, (threshold_iff _ V) by exact T.
  assert (M : Row.m (its_row a) = R_u a).
  { unfold Row.m. rewrite <- (Rmult_1_r (count _)), <- sum_const. unfold its_row. simpl. rewrite (block_sum a Q) by exact N. apply Rmult_1_r. }
  pose proof (k_pos _ V). pose proof (R_pos a Q). rewrite ln_quotient, M by lra. split; lra.
Qed.

Theorem floor : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  Copies.H_1 a = ln (R_u a).
Proof.
  intros a P E _. assert (Q : sound a) by now split. pose proof (copies_pos a Q) as N. unfold Copies.H_1, Row.H_1, its_row.
  simpl block. rewrite (block_sum a Q) by exact N. unfold masked_mass. rewrite (inside_is a Q) by exact N.
  fold (R_u a). pose proof (R_pos a Q). pose proof (x_pos a 0).
  replace (boltzmann (with_copies a (copies a) 0) (scored (height a + 0)) / (R_u a * x a 0)) with (/ R_u a).
  - unfold surprise. rewrite ln_Rinv by lra. field. lra.
  - change (boltzmann (with_copies a (copies a) 0) (scored (height a + 0))) with (x a 0). field. lra.
Qed.

Theorem entropy_paid : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  Copies.H a = H_up a + (1 - Copies.epsilon a) * ln (R_u a).
Proof.
  intros a P E _. assert (Q : sound a) by now split. rewrite (H_of a Q), (H_up_of a Q), (epsilon_of a Q).
  pose proof (W_pos a Q). pose proof (R_pos a Q). field. lra.
Qed.

Theorem at_least_the_floor : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a >= 0 -> Copies.H a >= ln (R_u a).
Proof.
  intros a P E _ G. assert (Q : sound a) by now split. rewrite (above_is a Q) in G. rewrite (H_of a Q). unfold phi.
  pose proof (W_pos a Q). pose proof (R_pos a Q). pose proof (ln_le (R_u a) (R_u a + W a) ltac:(lra) ltac:(lra)).
  assert (0 <= g a * W a / (R_u a + W a)); [| lra].
  apply Rmult_le_pos; [apply Rmult_le_pos | left; apply Rinv_0_lt_compat]; lra.
Qed.

(** The leak with one copy, as odds. *)
Lemma odds_of : forall a y, sound a -> epsilon_one a * y / (1 - epsilon_one a) = W a * y.
Proof. intros a y Q. rewrite (odds_is a Q). pose proof (W_pos a Q). field. lra. Qed.

Theorem copies_for_the_leak : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  ((R_u a >= epsilon_one a * (1 - Copies.epsilon_target a) / (Copies.epsilon_target a * (1 - epsilon_one a)))
   <-> (Copies.epsilon a <= Copies.epsilon_target a)).
Proof.
  intros a P E _. assert (Q : sound a) by now split. pose proof P as (_ & _ & _ & _ & _ & T).
  rewrite (odds_is a Q), (epsilon_of a Q). pose proof (W_pos a Q) as V. pose proof (R_pos a Q).
  set (e := Copies.epsilon_target a) in *.
  replace (W a / (1 + W a) * (1 - e) / (e * (1 - W a / (1 + W a)))) with (W a * (1 - e) / e) by (field; lra).
  split; intros L.
  - apply Rge_le, (Rmult_le_compat_r e) in L; [| lra]. unfold Rdiv in L. rewrite Rmult_assoc, Rinv_l in L by lra.
    apply (Rmult_le_reg_r (R_u a + W a)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
  - apply (Rmult_le_compat_r (R_u a + W a)) in L; [| lra]. unfold Rdiv in L. rewrite Rmult_assoc, Rinv_l in L by lra.
    apply Rle_ge, (Rmult_le_reg_r e); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Theorem leak_falls : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  Copies.epsilon a <= epsilon_few a.
Proof.
  intros a P E [F _]. assert (Q : sound a) by now split. rewrite (epsilon_of a Q), (epsilon_few_of a Q).
  pose proof (W_pos a Q). pose proof (few_pos a Q). apply Rmult_le_compat_l; [lra | apply Rinv_le_contravar; lra].
Qed.

Lemma rises : forall a, sound a -> R_few a <= R_u a -> g a * W a <= R_few a + W a -> Copies.H a >= H_few a.
Proof.
  intros a Q F L. rewrite (H_of a Q), (H_few_of a Q). pose proof (W_pos a Q). pose proof (few_pos a Q).
  apply Rle_ge, phi_rises; lra.
Qed.

Lemma falls : forall a, sound a -> R_few a <= R_u a -> R_u a + W a <= g a * W a -> Copies.H a <= H_few a.
Proof.
  intros a Q F L. rewrite (H_of a Q), (H_few_of a Q). pose proof (W_pos a Q). pose proof (few_pos a Q). apply phi_falls; lra.
Qed.

Theorem one_interval : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  Copies.H a <= Rmax (H_few a) (H_many a).
Proof.
  intros a P E [F M]. assert (Q : sound a) by now split. destruct (Rle_dec (R_u a + W a) (g a * W a)) as [L | L].
  - eapply Rle_trans; [now apply falls | apply Rmax_l].
  - eapply Rle_trans; [| apply Rmax_r]. rewrite (H_of a Q), (H_many_of a Q). pose proof (W_pos a Q). pose proof (R_pos a Q).
    apply phi_rises; lra.
Qed.

Theorem entropy_falls_first : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  R_u a <= epsilon_one a * (- 1 + (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a) / (1 - epsilon_one a) ->
  Copies.H a <= H_few a.
Proof.
  intros a P E [F _] L. assert (Q : sound a) by now split. rewrite (above_is a Q), (odds_of a _ Q) in L. apply falls; trivial. lra.
Qed.

Theorem entropy_rises : forall a, Copies.possible a -> equal_copies a -> R_few a <= R_u a /\ R_u a <= R_many a ->
  R_few a >= epsilon_one a * (- 1 + (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a) / (1 - epsilon_one a) ->
  Copies.H a >= H_few a.
Proof.
  intros a P E [F _] L. assert (Q : sound a) by now split. rewrite (above_is a Q), (odds_of a _ Q) in L. apply rises; trivial. lra.
Qed.

Theorem rises_where_the_leak_is_kept : forall a, Copies.possible a -> equal_copies a ->
  R_few a <= R_u a /\ R_u a <= R_many a ->
  epsilon_few a <= Copies.epsilon_target a /\ Copies.epsilon_target a * (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a <= 1 ->
  Copies.H a >= H_few a.
Proof.
  intros a P E [F _] [L G]. assert (Q : sound a) by now split. pose proof (W_pos a Q) as V. pose proof (few_pos a Q) as N.
  replace (Copies.epsilon_target a * (Copies.sbar_B a - Copies.sbar_C a) / Copies.tau a) with (Copies.epsilon_target a * g a)
    in G by (rewrite <- (above_is a Q); unfold Rdiv; ring).
  rewrite (epsilon_few_of a Q) in L. apply rises; trivial. destruct (Rle_dec (g a) 0) as [O | O].
  - pose proof (Rmult_le_compat_r (W a) (g a) 0). lra.
  - apply (Rmult_le_compat_r (g a)) in L; [| lra]. assert (K : W a / (R_few a + W a) * g a <= 1) by lra.
    apply (Rmult_le_compat_r (R_few a + W a)) in K; [| lra].
    replace (W a / (R_few a + W a) * g a * (R_few a + W a)) with (g a * W a) in K by (field; lra). lra.
Qed.
