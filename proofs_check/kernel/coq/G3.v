(** G3, softmax is 1/2-Lipschitz: along the segment between two score vectors a fixed direction's mean changes at the
    rate of a covariance, which variances bound, and a variance is at most half the sum of squares. *)
Require Import Reals Lra Psatz List.
From Localist Require Import Functions Sums Beside.
Import ListNotations.
Open Scope R_scope.

(** Two terms at different places sum to no more than all. *)
Lemma one_term : forall (h : key -> R) l i, (forall j, 0 <= h j) -> In i l -> h i <= sum h l.
Proof.
  intros h l i P. induction l as [| x l I]; intros J; [destruct J |]. simpl.
  pose proof (P x). destruct J as [-> | J]; [pose proof (sum_nonneg h l (fun j _ => P j)) | apply I in J]; lra.
Qed.

Lemma two_terms : forall (h : key -> R) l i j, (forall x, 0 <= h x) -> In i l -> In j l -> i <> j -> h i + h j <= sum h l.
Proof.
  intros h l i j P. induction l as [| x l I]; intros A B N; [destruct A |]. simpl. pose proof (P x).
  destruct A as [-> | A], B as [-> | B]; [congruence | pose proof (one_term h l j P B) | pose proof (one_term h l i P A) |]; try lra.
  specialize (I A B N). lra.
Qed.

Section Distribution.
Variables (l : list key) (p : key -> R).
Hypothesis pos : forall i, 0 <= p i.
Hypothesis one : sum p l = 1.

Definition average (c : key -> R) : R := sum (fun i => p i * c i) l.

(** Averages add and scale. *)
Lemma average_plus : forall c h, average (fun i => c i + h i) = average c + average h.
Proof. intros c h. unfold average. rewrite <- sum_plus. apply sum_ext. intros; ring. Qed.

Lemma average_scale : forall x c, average (fun i => x * c i) = x * average c.
Proof. intros x c. unfold average. rewrite <- sum_scale. apply sum_ext. intros; ring. Qed.

Lemma average_ext : forall c h, (forall i, c i = h i) -> average c = average h.
Proof. intros c h E. apply sum_ext. intros i _. now rewrite E. Qed.

(** A variance is at most the mean square about any point. *)
Lemma variance_about : forall c x,
  average (fun i => c i ^ 2) - average c ^ 2 <= sum (fun i => p i * (c i - x) ^ 2) l.
Proof.
  intros c x. unfold average.
  replace (sum (fun i => p i * (c i - x) ^ 2) l)
    with (sum (fun i => p i * c i ^ 2) l - 2 * x * sum (fun i => p i * c i) l + x ^ 2 * sum p l).
  - rewrite one. pose proof (pow2_ge_0 (sum (fun i => p i * c i) l - x)). lra.
  - rewrite <- !sum_scale, <- sum_minus, <- sum_plus. apply sum_ext. intros; ring.
Qed.

(** A variance is at most half the sum of squares: nothing is further than half the range from the middle. *)
Lemma variance_small : forall c, average (fun i => c i ^ 2) - average c ^ 2 <= sum (fun i => c i ^ 2) l / 2.
Proof.
  intros c. assert (E : l <> []) by (intros E; rewrite E in one; simpl in one; lra).
  destruct (largest_attained c l E) as (i & I & Ei). destruct (least_attained c l E) as (j & J & Ej).
  set (x := (c i + c j) / 2). set (y := (c i - c j) / 2).
  apply Rle_trans with (y ^ 2).
  - eapply Rle_trans; [apply (variance_about c x) |]. rewrite <- (Rmult_1_l (y ^ 2)), <- one, <- sum_scale_r.
    apply sum_le. intros q Q. apply Rmult_le_compat_l; [apply pos |].
    pose proof (below_largest c l q Q). pose proof (above_least c l q Q).
    assert (0 <= (y - (c q - x)) * (y + (c q - x))) by (apply Rmult_le_pos; unfold x, y; lra). lra.
  - destruct (Req_dec (c i) (c j)) as [S | S].
    + unfold y. rewrite S. pose proof (sum_nonneg (fun i => c i ^ 2) l (fun i _ => pow2_ge_0 (c i))). lra.
    + pose proof (two_terms (fun i => c i ^ 2) l i j (fun q => pow2_ge_0 (c q)) I J ltac:(congruence)).
      pose proof (pow2_ge_0 (c i + c j)). unfold y. lra.
Qed.

(** A covariance is at most the first variance and a quarter of the second. *)
Lemma covariance_small : forall c h,
  average (fun i => c i * h i) - average c * average h <= sum (fun i => c i ^ 2) l / 2 + sum (fun i => h i ^ 2) l / 8.
Proof.
  intros c h. pose proof (variance_small c). pose proof (variance_small h).
  assert (V : 0 <= average (fun i => (c i + -1 / 2 * h i) ^ 2) - average (fun i => c i + -1 / 2 * h i) ^ 2).
  { set (f := fun i => c i + -1 / 2 * h i). pose proof (sum_nonneg (fun i => p i * (f i - average f) ^ 2) l
      (fun i _ => Rmult_le_pos _ _ (pos i) (pow2_ge_0 _))) as N.
    replace (sum (fun i => p i * (f i - average f) ^ 2) l) with (average (fun i => f i ^ 2) - average f ^ 2) in N; [exact N |].
    replace (average f ^ 2) with (2 * average f * average f - average f ^ 2 * sum p l) by (rewrite one; ring).
    unfold average at 1 3. rewrite <- !sum_scale. rewrite <- sum_minus, <- sum_minus. apply sum_ext. intros; ring. }
  rewrite (average_ext (fun i => (c i + -1 / 2 * h i) ^ 2) (fun i => c i ^ 2 + (-1 * (c i * h i) + / 4 * h i ^ 2))) in V
    by (intros; field).
  rewrite !average_plus, !average_scale in V. lra.
Qed.
End Distribution.

Section Segment.
Variables (l : list key) (f h : key -> R).
Hypothesis some : l <> [].

(** Softmax along the segment of scores [f + t h]. *)
Definition weigh (t : R) (i : key) : R := exp (f i + t * h i).
Definition softmax (t : R) (i : key) : R := weigh t i / sum (weigh t) l.

Lemma total_pos : forall t, 0 < sum (weigh t) l.
Proof. intros t. apply sum_pos; [exact some | intros; apply exp_pos]. Qed.

Lemma softmax_nonneg : forall t i, 0 <= softmax t i.
Proof. intros t i. left. apply Rdiv_lt_0_compat; [apply exp_pos | apply total_pos]. Qed.

Lemma softmax_one : forall t, sum (softmax t) l = 1.
Proof. intros t. unfold softmax, Rdiv. rewrite sum_scale_r. apply Rinv_r. pose proof (total_pos t). lra. Qed.

(** Slopes: of a line, of one weight, of a sum. *)
Lemma slope_line : forall x y t, derivable_pt_lim (fun s => x + s * y) t y.
Proof.
  intros x y t e E. exists (mkposreal 1 Rlt_0_1). intros s S _.
  replace ((x + (t + s) * y - (x + t * y)) / s - y) with 0 by (field; exact S). now rewrite Rabs_R0.
Qed.

Lemma slope_weigh : forall i t, derivable_pt_lim (fun s => weigh s i) t (weigh t i * h i).
Proof.
  intros i t. exact (derivable_pt_lim_comp (fun s => f i + s * h i) exp t _ _ (slope_line _ _ t) (derivable_pt_lim_exp _)).
Qed.

Lemma slope_sum : forall (c : key -> R) t,
  derivable_pt_lim (fun s => sum (fun i => c i * weigh s i) l) t (sum (fun i => c i * (weigh t i * h i)) l).
Proof.
  intros c t. clear some. induction l as [| i rest I]; simpl; [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_plus (fun s => c i * weigh s i) (fun s => sum (fun j => c j * weigh s j) rest)); [| exact I].
  apply (derivable_pt_lim_scal (fun s => weigh s i)), slope_weigh.
Qed.

(** The mean of a fixed direction changes at the rate of a covariance. *)
Lemma slope_average : forall c t, derivable_pt_lim (fun s => average l (softmax s) c) t
  (average l (softmax t) (fun i => c i * h i) - average l (softmax t) c * average l (softmax t) h).
Proof.
  intros c t. pose proof (total_pos t) as Z.
  assert (A : forall s b, average l (softmax s) b = sum (fun i => b i * weigh s i) l / sum (fun i => 1 * weigh s i) l).
  { intros s b. unfold average, softmax, Rdiv. rewrite <- sum_scale_r.
    rewrite (sum_ext (fun i => 1 * weigh s i) (weigh s)) by (intros; ring). apply sum_ext. intros; ring. }
  assert (Z' : sum (fun i => 1 * weigh t i) l = sum (weigh t) l) by (apply sum_ext; intros; ring).
  pose proof (derivable_pt_lim_div (fun s => sum (fun i => c i * weigh s i) l) (fun s => sum (fun i => 1 * weigh s i) l)
    t _ _ (slope_sum c t) (slope_sum (fun _ => 1) t)) as D. cbv beta in D. rewrite Z' in D. specialize (D ltac:(lra)).
  replace (average l (softmax t) (fun i => c i * h i) - average l (softmax t) c * average l (softmax t) h)
    with ((sum (fun i => c i * (weigh t i * h i)) l * sum (weigh t) l
           - sum (fun i => 1 * (weigh t i * h i)) l * sum (fun i => c i * weigh t i) l) / (sum (weigh t) l)²).
  - intros e E. destruct (D e E) as [r B]. exists r. intros s S T. rewrite !A. exact (B s S T).
  - rewrite !A, Z'. rewrite (sum_ext (fun i => c i * h i * weigh t i) (fun i => c i * (weigh t i * h i))) by (intros; ring).
    rewrite (sum_ext (fun i => h i * weigh t i) (fun i => 1 * (weigh t i * h i))) by (intros; ring).
    unfold Rsqr. field. lra.
Qed.

(** So the row moves at most half as far as its scores. *)
Lemma half_as_far : 4 * sum (fun i => (softmax 1 i - softmax 0 i) ^ 2) l <= sum (fun i => h i ^ 2) l.
Proof.
  set (c := fun i => softmax 1 i - softmax 0 i).
  destruct (MVT_cor2 (fun s => average l (softmax s) c)
    (fun s => average l (softmax s) (fun i => c i * h i) - average l (softmax s) c * average l (softmax s) h)
    0 1 Rlt_0_1 (fun s _ => slope_average c s)) as (t & E & _).
  pose proof (covariance_small l (softmax t) (softmax_nonneg t) (softmax_one t) c h) as B.
  assert (S : average l (softmax 1) c - average l (softmax 0) c = sum (fun i => c i ^ 2) l).
  { unfold average. rewrite <- sum_minus. apply sum_ext. intros i _. unfold c. ring. }
  change (sum (fun i => (softmax 1 i - softmax 0 i) ^ 2) l) with (sum (fun i => c i ^ 2) l). lra.
Qed.
End Segment.

Theorem Euclidean : forall a, possible a -> 4 * D_a a <= D_s a.
Proof.
  intros a P. assert (T : 0 < tau a) by now destruct P as (_ & _ & T & _).
  assert (N : keys a <> []) by (destruct P as (B & _); unfold keys; now destruct (block a)).
  pose proof (half_as_far (keys a) (fun i => score i / tau a) (fun i => (seen i - score i) / tau a) N) as L.
  assert (W0 : forall i, weigh (fun i => score i / tau a) (fun i => (seen i - score i) / tau a) 0 i = boltzmann a i).
  { intros i. unfold weigh, boltzmann. f_equal. ring. }
  assert (W1 : forall i, weigh (fun i => score i / tau a) (fun i => (seen i - score i) / tau a) 1 i
                       = boltzmann (seen_row a) (as_seen i)).
  { intros i. unfold weigh, boltzmann, seen_row. simpl. f_equal. field. lra. }
  assert (S1 : sum (boltzmann (seen_row a)) (keys (seen_row a)) = sum (fun i => boltzmann (seen_row a) (as_seen i)) (keys a)).
  { unfold keys. simpl. rewrite <- map_app. apply sum_map. }
  unfold D_a, D_s. eapply Rle_trans; [| eapply Rle_trans; [exact L |]]; apply Req_le.
  - f_equal. apply sum_ext. intros i _. unfold softmax. rewrite W0, W1, (sum_ext _ _ (keys a) (fun j _ => W0 j)),
      (sum_ext _ _ (keys a) (fun j _ => W1 j)). unfold mass. rewrite S1. ring.
  - apply sum_ext. intros i _. field. lra.
Qed.
