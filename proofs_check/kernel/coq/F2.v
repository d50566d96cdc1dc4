(** F2, localised depth: a layer reaches a dial from an edge on, and the layers from an edge on are counted. *)
Require Import Reals Lra Lia ZArith List.
From Localist Require Import Functions Sums Schedule ScheduleFacts.
Import ListNotations.
Open Scope R_scope.

(** The edge: the depth at which the dial is the needed one. *)
Definition edge (a : schedule) : R := Rpower (lambda_star a / lambda_max a) (1 / beta_s a).

Theorem some_instance : exists a, possible a /\ L a >= 2.
Proof. destruct some_sound as (a & P & N & _). now exists a. Qed.

Lemma ratio_pos : forall a, sound a -> 0 < lambda_star a / lambda_max a.
Proof. intros a P. pose proof (needed_dial a P). pose proof (largest_dial a P). apply Rdiv_lt_0_compat; lra. Qed.

Lemma edge_pos : forall a, 0 < edge a.
Proof. intros a. apply Rpower_pos. Qed.

Lemma edge_inside : forall a, sound a -> beta_s a > 0 -> lambda_star a <= lambda_max a -> 0 < edge a <= 1.
Proof.
  intros a P B N. split; [apply edge_pos |]. pose proof (ratio_pos a P) as R. pose proof (largest_dial a P).
  pose proof (Rinv_0_lt_compat _ B). unfold edge. rewrite <- (power_pos _ _ R).
  assert (lambda_star a / lambda_max a <= 1).
  { apply (Rmult_le_reg_r (lambda_max a)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  apply power_inside; lra.
Qed.

(** A layer reaches the needed dial exactly from the edge on. *)
Lemma reaches : forall a i, sound a -> beta_s a > 0 -> (i < layers a)%nat ->
  (lambda_star a <= dial a (beta_s a) i <-> edge a <= share a i).
Proof.
  intros a i P B I. pose proof (ratio_pos a P) as R. pose proof (largest_dial a P). pose proof (share_inside a P i I) as S.
  assert (Q : lambda_star a <= dial a (beta_s a) i <-> lambda_star a / lambda_max a <= power (share a i) (beta_s a)).
  { unfold dial. replace (lambda_star a) with (lambda_max a * (lambda_star a / lambda_max a)) at 1 by (field; lra).
    split; intros E; [apply (Rmult_le_reg_l (lambda_max a)) | apply Rmult_le_compat_l]; lra. }
  rewrite Q. destruct (Rle_lt_dec (share a i) 0) as [Z | Z].
  - replace (share a i) with 0 by lra. rewrite power_0 by lra. pose proof (edge_pos a). split; lra.
  - rewrite power_pos by exact Z. unfold edge. split; intros E.
    + rewrite <- (Rpower_undone (share a i) (beta_s a)) by lra. apply Rpower_le; try lra.
      left. apply Rdiv_lt_0_compat; lra.
    + rewrite <- (Rpower_undone' (lambda_star a / lambda_max a) (beta_s a)) by lra.
      apply Rpower_le; try lra. apply Rpower_pos.
Qed.

(** How many numbers below [n] are not below [c]. *)
Lemma count_from : forall c n, (c <= n)%nat -> sum (fun i => if le_dec c i then 1 else 0) (seq 0 n) = INR n - INR c.
Proof.
  intros c n. induction n as [| n I]; intros E; [replace c with 0%nat by lia; simpl; lra |].
  rewrite seq_S, sum_app. simpl sum at 2. destruct (Nat.eq_dec c (S n)) as [-> | N].
  - rewrite (sum_ext _ (fun _ => 0)); [| intros i J; apply in_seq in J; destruct (le_dec (S n) i); [lia | reflexivity]].
    rewrite sum_const. destruct (le_dec (S n) n); [lia | ring].
  - rewrite I by lia. destruct (le_dec c n); [| lia]. rewrite S_INR. ring.
Qed.

(** The ceiling is the least integer not below. *)
Lemma ceiling_bounds : forall x, x <= ceiling x < x + 1.
Proof. intros x. unfold ceiling. pose proof (base_Int_part (- x)). lra. Qed.

(** A natural number is not below [x] just as it is not below the ceiling of [x]. *)
Lemma ceiling_nat : forall x c i, ceiling x = INR c -> (x <= INR i <-> (c <= i)%nat).
Proof.
  intros x c i E. pose proof (ceiling_bounds x) as B. rewrite E in B. split; intros X.
  - apply Nat.lt_succ_r, INR_lt. rewrite S_INR. lra.
  - apply le_INR in X. lra.
Qed.

Theorem depth : forall a, possible a -> L a >= 2 -> lambda_star a <= lambda_max a /\ beta_s a > 0 ->
  N_star a = L a - ceiling (Rpower (lambda_star a / lambda_max a) (1 / beta_s a) * (L a - 1)).
Proof.
  intros a Q T [N B]. assert (P : sound a) by now split. clear Q.
  fold (edge a). set (x := edge a * (L a - 1)). pose proof (L_at_least_2 a P). pose proof (edge_inside a P B N).
  pose proof (ceiling_bounds x) as C.
  assert (X : 0 < x <= L a - 1).
  { unfold x. split; [apply Rmult_lt_0_compat; lra |]. rewrite <- (Rmult_1_l (L a - 1)) at 2. apply Rmult_le_compat_r; lra. }
  assert (E : exists c, ceiling x = INR c).
  { unfold ceiling in *. exists (Z.to_nat (- Int_part (- x))). rewrite INR_IZR_INZ, Z2Nat.id; [now rewrite opp_IZR |].
    apply le_IZR. rewrite opp_IZR. lra. }
  destruct E as [c E]. rewrite E. unfold N_star, L. rewrite <- (count_from c (layers a)).
  - apply sum_ext. intros i I. apply layer_inside in I.
    pose proof (reaches a i P B I) as R. pose proof (share_ge a P i (edge a)) as S. fold x in S.
    pose proof (ceiling_nat x c i E) as V.
    destruct (Rle_dec (lambda_star a) (dial a (beta_s a) i)) as [D | D]; destruct (le_dec c i) as [G | G]; trivial; exfalso.
    + apply G, V, Rge_le, S, Rle_ge, R, D.
    + apply D, R, Rge_le, S, Rle_ge, V, G.
  - apply Nat.lt_succ_r, INR_lt. rewrite S_INR. fold (L a). lra.
Qed.

(** Above the largest dial there is none. *)
Theorem none_above : forall a, possible a -> L a >= 2 -> lambda_star a > lambda_max a -> N_star a = 0.
Proof.
  intros a Q T N. assert (P : sound a) by now split. pose proof Q as (_ & B & _). unfold N_star.
  rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros i I. apply layer_inside in I.
  pose proof (dial_inside a P (beta_s a) i B I). destruct (Rle_dec (lambda_star a) (dial a (beta_s a) i)); [lra | reflexivity].
Qed.

Theorem layer : forall a, possible a -> L a >= 2 -> beta_s a > 0 ->
  (l a >= Rpower (lambda_star a / lambda_max a) (1 / beta_s a) * (L a - 1) <-> lambda_l a >= lambda_star a).
Proof.
  intros a Q T B. assert (P : sound a) by now split. fold (edge a). unfold l. rewrite <- share_ge by trivial.
  pose proof (reaches a (here a) P B (here_inside a P)) as R. unfold lambda_l.
  split; intros E; apply Rle_ge, R, Rge_le, E.
Qed.
