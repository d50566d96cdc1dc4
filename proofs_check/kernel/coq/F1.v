(** F1, budgets: Faulhaber's sums, each by induction on the number of layers. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Schedule ScheduleFacts.
Import ListNotations.
Open Scope R_scope.

(** One layer more. *)
Lemma sum_one_more : forall (h : nat -> R) n, sum h (seq 0 (S n)) = sum h (seq 0 n) + h n.
Proof. intros h n. rewrite seq_S, sum_app. simpl. ring. Qed.

(** The sums of powers of the layers' numbers. *)
Lemma powers_1 : forall n, sum (fun i => INR i ^ 1) (seq 0 n) = INR n * (INR n - 1) / 2.
Proof. induction n as [| n I]; [simpl; lra |]. rewrite sum_one_more, I, S_INR. field. Qed.

Lemma powers_2 : forall n, sum (fun i => INR i ^ 2) (seq 0 n) = INR n * (INR n - 1) * (2 * INR n - 1) / 6.
Proof. induction n as [| n I]; [simpl; lra |]. rewrite sum_one_more, I, S_INR. field. Qed.

Lemma powers_3 : forall n, sum (fun i => INR i ^ 3) (seq 0 n) = INR n ^ 2 * (INR n - 1) ^ 2 / 4.
Proof. induction n as [| n I]; [simpl; lra |]. rewrite sum_one_more, I, S_INR. field. Qed.

Lemma powers_4 : forall n, sum (fun i => INR i ^ 4) (seq 0 n)
  = INR n * (INR n - 1) * (2 * INR n - 1) * (3 * INR n ^ 2 - 3 * INR n - 1) / 30.
Proof. induction n as [| n I]; [simpl; lra |]. rewrite sum_one_more, I, S_INR. field. Qed.

Lemma powers_5 : forall n, sum (fun i => INR i ^ 5) (seq 0 n)
  = INR n ^ 2 * (INR n - 1) ^ 2 * (2 * INR n ^ 2 - 2 * INR n - 1) / 12.
Proof. induction n as [| n I]; [simpl; lra |]. rewrite sum_one_more, I, S_INR. field. Qed.

Theorem some_instance : exists a, possible a /\ L a >= 2.
Proof. destruct some_sound as (a & P & N & _). now exists a. Qed.

(** The budget through the sum of powers. *)
Lemma budget_is : forall n a, L a >= 2 -> S_ n a = sum (fun i => INR i ^ n) (seq 0 (layers a)) / (L a - 1) ^ n.
Proof.
  intros n a P. unfold S_, each, share, Rdiv.
  rewrite <- sum_scale_r. apply sum_ext. intros i _. rewrite Rpow_mult_distr, pow_inv. reflexivity.
Qed.

Theorem beta_1 : forall a, possible a -> L a >= 2 -> S_1 a = L a / 2.
Proof. intros a _ P. unfold S_1. rewrite budget_is, powers_1 by trivial. fold (L a). field. lra. Qed.

Theorem beta_2 : forall a, possible a -> L a >= 2 -> S_2 a = L a * (2 * L a - 1) / (6 * (L a - 1)).
Proof. intros a _ P. unfold S_2. rewrite budget_is, powers_2 by trivial. fold (L a). field. lra. Qed.

Theorem beta_3 : forall a, possible a -> L a >= 2 -> S_3 a = (L a) ^ 2 / (4 * (L a - 1)).
Proof. intros a _ P. unfold S_3. rewrite budget_is, powers_3 by trivial. fold (L a). field. lra. Qed.

Theorem beta_4 : forall a, possible a -> L a >= 2 ->
  S_4 a = L a * (2 * L a - 1) * (3 * (L a) ^ 2 - 3 * L a - 1) / (30 * (L a - 1) ^ 3).
Proof. intros a _ P. unfold S_4. rewrite budget_is, powers_4 by trivial. fold (L a). field. lra. Qed.

Theorem beta_5 : forall a, possible a -> L a >= 2 -> S_5 a = (L a) ^ 2 * (2 * (L a) ^ 2 - 2 * L a - 1) / (12 * (L a - 1) ^ 3).
Proof. intros a _ P. unfold S_5. rewrite budget_is, powers_5 by trivial. fold (L a). field. lra. Qed.
