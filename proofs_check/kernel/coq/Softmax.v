(** Softmax along a line of scores: its slope is a covariance, and it moves at most half as far as the scores. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Matrices.
Open Scope R_scope.

Section Line.
Context {A : Type}.
(** Weights at the start, 0 where a key is hidden, and the direction of the scores. *)
Variables (l : list A) (e h : A -> R).
Hypothesis weights : forall i, In i l -> 0 <= e i.
Hypothesis some : exists i, In i l /\ 0 < e i.

Definition weigh (t : R) (i : A) : R := e i * exp (t * h i).
Definition softmax (t : R) (i : A) : R := weigh t i / sum (weigh t) l.

Lemma total_pos : forall t, 0 < sum (weigh t) l.
Proof.
  intros t. destruct some as (i & I & E). eapply Rlt_le_trans; [| apply (term_below_sum (weigh t) l i); [| exact I]].
  - apply Rmult_lt_0_compat; [exact E | apply exp_pos].
  - intros j J. apply Rmult_le_pos; [now apply weights | left; apply exp_pos].
Qed.

Lemma softmax_nonneg : forall t i, In i l -> 0 <= softmax t i.
Proof.
  intros t i I. apply Rmult_le_pos; [apply Rmult_le_pos; [now apply weights | left; apply exp_pos] |].
  left. apply Rinv_0_lt_compat, total_pos.
Qed.

Lemma softmax_one : forall t, sum (softmax t) l = 1.
Proof. intros t. unfold softmax, Rdiv. rewrite sum_scale_r. apply Rinv_r. pose proof (total_pos t). lra. Qed.

Lemma slope_weigh : forall i t, derivable_pt_lim (fun s => weigh s i) t (weigh t i * h i).
Proof.
  intros i t. unfold weigh. replace (e i * exp (t * h i) * h i) with (e i * (exp (t * h i) * (1 * h i))) by ring.
  apply (derivable_pt_lim_scal (fun s => exp (s * h i))).
  apply (derivable_pt_lim_comp (fun s => s * h i) exp); [| apply derivable_pt_lim_exp].
  replace (1 * h i) with (1 * h i + t * 0) by ring.
  apply (derivable_pt_lim_mult (fun s => s) (fun _ => h i)); [apply derivable_pt_lim_id | apply derivable_pt_lim_const].
Qed.

Lemma slope_sum : forall (c : A -> R) t (r : list A),
  derivable_pt_lim (fun s => sum (fun i => c i * weigh s i) r) t (sum (fun i => c i * (weigh t i * h i)) r).
Proof.
  intros c t r. induction r as [| i rest I]; simpl; [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_plus (fun s => c i * weigh s i) (fun s => sum (fun j => c j * weigh s j) rest)); [| exact I].
  apply (derivable_pt_lim_scal (fun s => weigh s i)), slope_weigh.
Qed.

Lemma average_softmax : forall s c,
  average (softmax s) l c = sum (fun i => c i * weigh s i) l / sum (fun i => 1 * weigh s i) l.
Proof.
  intros s c. unfold average, softmax, Rdiv. rewrite <- sum_scale_r.
  rewrite (sum_ext (fun i => 1 * weigh s i) (weigh s)) by (intros; ring). apply sum_ext. intros; ring.
Qed.

(** The mean of fixed values changes at the rate of their covariance with the direction. *)
Lemma slope_average : forall c t, derivable_pt_lim (fun s => average (softmax s) l c) t (covariance (softmax t) l c h).
Proof.
  intros c t. pose proof (total_pos t) as Z.
  assert (Z' : sum (fun i => 1 * weigh t i) l = sum (weigh t) l) by (apply sum_ext; intros; ring).
  pose proof (derivable_pt_lim_div (fun s => sum (fun i => c i * weigh s i) l) (fun s => sum (fun i => 1 * weigh s i) l)
    t _ _ (slope_sum c t l) (slope_sum (fun _ => 1) t l)) as D. cbv beta in D. rewrite Z' in D. specialize (D ltac:(lra)).
  replace (covariance (softmax t) l c h)
    with ((sum (fun i => c i * (weigh t i * h i)) l * sum (weigh t) l
           - sum (fun i => 1 * (weigh t i * h i)) l * sum (fun i => c i * weigh t i) l) / (sum (weigh t) l)²).
  - intros x X. destruct (D x X) as [r B]. exists r. intros s S T. rewrite !average_softmax. exact (B s S T).
  - unfold covariance, jacobian. rewrite average_softmax, Z'. set (z := sum (weigh t) l) in *.
    set (m := sum (fun i => c i * weigh t i) l).
    rewrite (sum_ext (fun i => h i * (softmax t i * (c i - m / z)))
      (fun i => c i * (weigh t i * h i) * / z - 1 * (weigh t i * h i) * (m / z ^ 2)))
      by (intros; unfold softmax; fold z; field; lra).
    rewrite sum_minus, !sum_scale_r. unfold Rsqr. field. lra.
Qed.

(** So a row moves at most half as far as its scores. *)
Lemma half_as_far : norm (fun i => softmax 1 i - softmax 0 i) l <= / 2 * norm h l.
Proof.
  set (c := fun i => softmax 1 i - softmax 0 i).
  destruct (MVT_cor2 (fun s => average (softmax s) l c) (fun s => covariance (softmax s) l c h) 0 1 Rlt_0_1
    (fun s _ => slope_average c s)) as (t & E & _).
  assert (S : average (softmax 1) l c - average (softmax 0) l c = norm c l ^ 2).
  { rewrite norm_square. unfold average. rewrite <- sum_minus. apply sum_ext. intros i _. unfold c. ring. }
  rewrite S in E. unfold covariance in E. pose proof (cauchy_schwarz h (jacobian (softmax t) l c) l) as B.
  pose proof (jacobian_half (softmax t) l (softmax_nonneg t) (softmax_one t) c) as J.
  apply (Rmult_le_compat_l (norm h l)) in J; [| apply norm_nonneg].
  destruct (norm_nonneg c l) as [N | N]; [| rewrite <- N; pose proof (norm_nonneg h l); lra].
  apply (Rmult_le_reg_r (norm c l)); [exact N |]. lra.
Qed.
End Line.
