(** E3, an imperfect checker: the law of total expectation, and nothing below the promise where the rule fired. *)
Require Import Reals Lra List Bool.
From Localist Require Import Functions Sums Checker.
Import ListNotations.
Open Scope R_scope.

(** A sum over all situations is one over those caught and one over those missed. *)
Lemma sum_split : forall h a, sum h a = sum h (caught a) + sum h (missed a).
Proof.
  intros h a; induction a as [| i a I]; simpl; [ring |].
  unfold caught, missed in *. simpl. destruct (fired i); simpl; rewrite I; ring.
Qed.

(** Terms may be rewritten by whether the checker fired. *)
Lemma caught_ext : forall g h a, (forall i, In i a -> fired i = true -> g i = h i) -> sum g (caught a) = sum h (caught a).
Proof. intros g h a E. apply sum_ext. intros i I. apply filter_In in I as [I F]. auto. Qed.

Lemma missed_ext : forall g h a, (forall i, In i a -> fired i = false -> g i = h i) -> sum g (missed a) = sum h (missed a).
Proof. intros g h a E. apply sum_ext. intros i I. apply filter_In in I as [I F]. apply negb_true_iff in F. auto. Qed.

Theorem some_instance : exists a, possible a /\ q a > 0 /\ q a < 1.
Proof.
  exists [Situation 1 true 0 1; Situation 1 false 0 1]. unfold possible, q, average; simpl. repeat split; try lra;
  destruct H as [<- | [<- | []]]; simpl; lra.
Qed.

Section Facts.
Variable a : checker.
Hypothesis W : possible a.
Hypothesis Q : q a > 0 /\ q a < 1.

Lemma weight_pos : forall i, In i a -> 0 < weight i.
Proof. intros i I. now apply W. Qed.

Lemma q_is : q a = sum weight (missed a) / (sum weight (caught a) + sum weight (missed a)).
Proof.
  unfold q, average. rewrite !(sum_split _ a).
  rewrite (caught_ext _ (fun _ => 0)), (missed_ext (fun i => weight i * (if fired i then 0 else 1)) weight).
  - rewrite sum_const, Rmult_0_r, Rplus_0_l. reflexivity.
  - intros i _ E. rewrite E. ring.
  - intros i _ E. rewrite E. ring.
Qed.

(** A probability strictly between 0 and 1 needs situations of both sorts. *)
Lemma caught_pos : 0 < sum weight (caught a).
Proof.
  apply sum_pos; [| intros i I; apply filter_In in I as [I _]; now apply weight_pos].
  intros E. pose proof q_is as S. rewrite E in S. simpl in S. rewrite Rplus_0_l in S.
  destruct (Req_dec (sum weight (missed a)) 0) as [Z | Z].
  - rewrite Z in S. unfold Rdiv in S. rewrite Rmult_0_l in S. lra.
  - unfold Rdiv in S. rewrite Rinv_r in S by exact Z. lra.
Qed.

Lemma missed_pos : 0 < sum weight (missed a).
Proof.
  apply sum_pos; [| intros i I; apply filter_In in I as [I _]; now apply weight_pos].
  intros E. pose proof q_is as S. rewrite E in S. simpl in S. unfold Rdiv in S. rewrite Rmult_0_l in S. lra.
Qed.

Lemma total : E_F a = E_F0_missed a * q a + E_F_fired a * (1 - q a).
Proof.
  rewrite q_is. unfold E_F, E_F0_missed, E_F_fired, average. pose proof caught_pos. pose proof missed_pos.
  rewrite !(sum_split _ a), (missed_ext (fun i => weight i * got i) (fun i => weight i * plain i)).
  - field. repeat split; lra.
  - intros i _ E. unfold got. now rewrite E.
Qed.

(** Where the rule fired no fidelity is below the promise. *)
Lemma fired_above : f a <= E_F_fired a.
Proof.
  unfold E_F_fired, average. pose proof caught_pos as C. apply (Rmult_le_reg_r (sum weight (caught a))); [exact C |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_comm, <- sum_scale_r by lra.
  apply sum_le. intros i I. pose proof I as J. apply filter_In in J as [J F].
  apply Rmult_le_compat_l; [left; now apply weight_pos |]. unfold got. rewrite F. now apply above_least.
Qed.

(** A missed situation has no fidelity below 0. *)
Lemma missed_nonneg : 0 <= E_F0_missed a.
Proof.
  apply Rmult_le_pos; [apply sum_nonneg | left; apply Rinv_0_lt_compat, missed_pos].
  intros i I. apply filter_In in I as [I _].
  apply Rmult_le_pos; [left; now apply weight_pos | now apply W].
Qed.
End Facts.

Theorem expectation : forall a, possible a -> q a > 0 /\ q a < 1 -> E_F a = E_F0_missed a * q a + E_F_fired a * (1 - q a).
Proof. exact total. Qed.

Theorem at_least : forall a, possible a -> q a > 0 /\ q a < 1 -> E_F a >= f a * (1 - q a).
Proof.
  intros a P Q. rewrite total by trivial.
  pose proof (Rmult_le_compat_r (1 - q a) _ _ ltac:(lra) (fired_above a P Q)).
  pose proof (Rmult_le_pos _ (q a) (missed_nonneg a P Q) ltac:(lra)). lra.
Qed.

Theorem independent_misses : forall a, possible a -> q a > 0 /\ q a < 1 ->
  E_F0_missed a = E_F0 a -> E_F a = E_F0 a * q a + E_F_fired a * (1 - q a).
Proof. intros a P Q <-. now apply total. Qed.
