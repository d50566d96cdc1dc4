(** The gradients that Head.v computes by the chain rule are derivatives: along any direction of a block of [W_Q] or of
    [W_K], the loss to first order in the outputs, the sum of [pull] times the outputs, has the slope they give. *)
Require Import Reals Lra Lia List Bool Arith.
From Localist Require Import Functions Sums Vectors Matrices Softmax Head.
Import ListNotations.
Open Scope R_scope.

Definition first_order (a : head) : R :=
  sum (fun t => sum (fun c => stack pull t c * stack (output a) t c) (seq 0 (outputs a))) (stacked a).
Definition with_weights (a : head) (wq wk : nat -> nat -> R) : head :=
  Head (batch a) (block a) (rest a) (width a) (outputs a) wq wk (b_Q a) (b_K a) (causal a) (temperature a) (probe a).
(** A direction in the block, and a step of length [t] along it. *)
Definition within (a : head) (D : nat -> nat -> R) (f c : nat) : R := if (f <? block a)%nat then D f c else 0.
Definition along_Q (a : head) (D : nat -> nat -> R) (t : R) : head :=
  with_weights a (fun f c => W_Q a f c + t * within a D f c) (W_K a).
Definition along_K (a : head) (D : nat -> nat -> R) (t : R) : head :=
  with_weights a (W_Q a) (fun f c => W_K a f c + t * within a D f c).

(** A slope of a sum. *)
Lemma slope_sums : forall {A : Type} (F : A -> R -> R) (G : A -> R) t l,
  (forall i, In i l -> derivable_pt_lim (F i) t (G i)) -> derivable_pt_lim (fun s => sum (fun i => F i s) l) t (sum G l).
Proof.
  intros A F G t l. induction l as [| i l I]; intros E; simpl; [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_plus (F i) (fun s => sum (fun j => F j s) l)); [apply E; now left | apply I; intros; apply E; now right].
Qed.

Lemma slope_ext : forall (F G : R -> R) t y, (forall s, F s = G s) -> derivable_pt_lim G t y -> derivable_pt_lim F t y.
Proof. intros F G t y E D e P. destruct (D e P) as [r B]. exists r. intros s S T. rewrite !E. now apply B. Qed.

Section Slopes.
Variable a : head.
Hypothesis P : possible a.

(** A sum over all tokens. *)
Lemma sum_stacked : forall (f : sequence * nat -> R),
  sum f (stacked a) = sum (fun s => sum (fun i => f (s, i)) (seq 0 (tokens s))) (batch a).
Proof.
  intros f. unfold stacked. induction (batch a) as [| s rest I]; [reflexivity |]. simpl. rewrite sum_app, sum_map, I. reflexivity.
Qed.

(** Turned weights whose scores move along a line, [u] per unit. *)
Section Turned.
Variables (wq wk : R -> nat -> nat -> R) (u : sequence -> nat -> nat -> R).
Let turned (t : R) : head := with_weights a (wq t) (wk t).
Hypothesis line : forall t s i j, score (turned t) s i j = score a s i j + t * u s i j.

Lemma slope_first_order : derivable_pt_lim (fun t => first_order (turned t)) 0
  (sum (fun s => sum (fun i => sum (fun j => u s i j * slope a s i j) (seq 0 (tokens s))) (seq 0 (tokens s))) (batch a)).
Proof.
  assert (T : 0 < tau a) by now destruct P.
  apply slope_ext with (fun t => sum (fun s => sum (fun i =>
    average (softmax (seq 0 (tokens s)) (boltzmann a s i) (fun j => u s i j / tau a) t) (seq 0 (tokens s)) (upstream a s i))
    (seq 0 (tokens s))) (batch a)).
  - intros t. unfold first_order. change (stacked (turned t)) with (stacked a). rewrite sum_stacked.
    apply sum_ext. intros s _. apply sum_ext. intros i _. set (l := seq 0 (tokens s)). unfold stack, average. simpl.
    assert (W : forall j, weigh (boltzmann a s i) (fun j => u s i j / tau a) t j = boltzmann (turned t) s i j).
    { intros j. unfold weigh, boltzmann. change (visible (turned t) i j) with (visible a i j). rewrite line.
      change (tau (turned t)) with (tau a). destruct visible; [| ring]. rewrite <- exp_plus. f_equal. field. lra. }
    transitivity (sum (fun j => attention (turned t) s i j * upstream a s i j) l).
    + unfold upstream, output. fold l.
      rewrite (sum_ext _ (fun c => sum (fun j => pull s i c * (attention (turned t) s i j * values s j c)) l))
        by (intros; now rewrite sum_scale).
      rewrite sum_swap. apply sum_ext. intros j _. rewrite <- sum_scale. apply sum_ext. intros; ring.
    + apply sum_ext. intros j _. unfold attention, softmax. fold l. now rewrite W, (sum_ext _ _ l (fun k _ => W k)).
  - apply slope_sums. intros s _. apply slope_sums. intros i I. apply in_seq in I. set (l := seq 0 (tokens s)).
    assert (Z : forall j, softmax l (boltzmann a s i) (fun j => u s i j / tau a) 0 j = attention a s i j).
    { intros j. unfold softmax, attention. fold l.
      assert (W : forall k, weigh (boltzmann a s i) (fun j => u s i j / tau a) 0 k = boltzmann a s i k)
        by (intros k; unfold weigh; rewrite Rmult_0_l, exp_0; ring).
      now rewrite W, (sum_ext _ _ l (fun k _ => W k)). }
    replace (sum (fun j => u s i j * slope a s i j) l)
      with (covariance (softmax l (boltzmann a s i) (fun j => u s i j / tau a) 0) l (upstream a s i) (fun j => u s i j / tau a)).
    + apply slope_average.
      * intros j _. unfold boltzmann. destruct visible; [left; apply exp_pos | lra].
      * exists i. split; [apply in_seq; lia |]. unfold boltzmann, visible. rewrite Nat.leb_refl, orb_true_r. apply exp_pos.
    + unfold covariance. apply sum_ext. intros j _. unfold slope. fold l. unfold jacobian, average.
      rewrite Z, (sum_ext (fun k => softmax l _ _ 0 k * _) (fun k => attention a s i k * upstream a s i k))
        by (intros; now rewrite Z). field. lra.
Qed.
End Turned.

(** What a direction in the block adds to a token's query or key, and the sum over tokens of that against slopes. *)
Definition added (D : nat -> nat -> R) (s : sequence) (i c : nat) : R := sum (fun f => inputs s i f * within a D f c) (seq 0 (block a + rest a)).

Lemma added_in_block : forall D s i c, added D s i c = sum (fun f => inputs s i f * D f c) (seq 0 (block a)).
Proof.
  intros D s i c. unfold added. rewrite seq_app, sum_app, (sum_ext _ (fun _ => 0) (seq (0 + block a) (rest a))).
  - rewrite sum_const, Rmult_0_r, Rplus_0_r. apply sum_ext. intros f F. apply in_seq in F. unfold within.
    destruct (Nat.ltb_spec f (block a)); [reflexivity | lia].
  - intros f F. apply in_seq in F. unfold within. destruct (Nat.ltb_spec f (block a)); [lia | ring].
Qed.

Lemma against : forall (M : sequence -> nat -> nat -> R) D,
  sum (fun s => sum (fun i => sum (fun c => M s i c * added D s i c) (seq 0 (width a))) (seq 0 (tokens s))) (batch a)
  = sum (fun f => sum (fun c => sum (fun t => stack inputs t f * stack M t c) (stacked a) * D f c) (seq 0 (width a))) (seq 0 (block a)).
Proof.
  intros M D. transitivity (sum (fun t => sum (fun c => stack M t c * added D (fst t) (snd t) c) (seq 0 (width a))) (stacked a)).
  - now rewrite sum_stacked.
  - symmetry. rewrite (sum_ext _ (fun f => sum (fun t => sum (fun c => stack inputs t f * stack M t c * D f c) (seq 0 (width a))) (stacked a))).
    + rewrite sum_swap. apply sum_ext. intros t _. rewrite sum_swap. apply sum_ext. intros c _. rewrite added_in_block, <- sum_scale.
      apply sum_ext. intros f _. unfold stack. ring.
    + intros f _. rewrite sum_swap. apply sum_ext. intros c _. now rewrite sum_scale_r.
Qed.

Theorem grad_Q_is_the_derivative : forall D, derivable_pt_lim (fun t => first_order (along_Q a D t)) 0
  (sum (fun f => sum (fun c => grad_Q a f c * D f c) (seq 0 (width a))) (seq 0 (block a))).
Proof.
  intros D. unfold grad_Q. rewrite <- against.
  replace (sum _ (batch a)) with (sum (fun s => sum (fun i => sum (fun j =>
    sum (fun c => added D s i c * key a s j c) (seq 0 (width a)) / sqrt (d_k a) * slope a s i j) (seq 0 (tokens s)))
    (seq 0 (tokens s))) (batch a)).
  - apply slope_first_order. intros t s i j. unfold score, with_weights. simpl. change (d_k (Head _ _ _ _ _ _ _ _ _ _ _ _)) with (d_k a).
    unfold Rdiv. rewrite <- Rmult_assoc, <- Rmult_plus_distr_r. f_equal. rewrite <- sum_scale, <- sum_plus. apply sum_ext. intros c _.
    unfold query at 1, key at 1. simpl. fold (key a s j c). rewrite (sum_ext (fun f => inputs s i f * (W_Q a f c + t * within a D f c))
      (fun f => inputs s i f * W_Q a f c + t * (inputs s i f * within a D f c))) by (intros; ring).
    rewrite sum_plus, sum_scale. fold (added D s i c). unfold query. ring.
  - apply sum_ext. intros s _. apply sum_ext. intros i _. set (l := seq 0 (tokens s)).
    transitivity (sum (fun j => sum (fun c => added D s i c * key a s j c / sqrt (d_k a) * slope a s i j) (seq 0 (width a))) l).
    + apply sum_ext. intros j _. rewrite sum_scale_r. f_equal. unfold Rdiv. now rewrite sum_scale_r.
    + rewrite sum_swap. apply sum_ext. intros c _. unfold query_slope, Rdiv. fold l. rewrite Rmult_assoc, <- sum_scale_r.
      apply sum_ext. intros; ring.
Qed.

Theorem grad_K_is_the_derivative : forall D, derivable_pt_lim (fun t => first_order (along_K a D t)) 0
  (sum (fun f => sum (fun c => grad_K a f c * D f c) (seq 0 (width a))) (seq 0 (block a))).
Proof.
  intros D. unfold grad_K. rewrite <- against.
  replace (sum _ (batch a)) with (sum (fun s => sum (fun i => sum (fun j =>
    sum (fun c => query a s i c * added D s j c) (seq 0 (width a)) / sqrt (d_k a) * slope a s i j) (seq 0 (tokens s)))
    (seq 0 (tokens s))) (batch a)).
  - apply slope_first_order. intros t s i j. unfold score, with_weights. simpl. change (d_k (Head _ _ _ _ _ _ _ _ _ _ _ _)) with (d_k a).
    unfold Rdiv. rewrite <- Rmult_assoc, <- Rmult_plus_distr_r. f_equal. rewrite <- sum_scale, <- sum_plus. apply sum_ext. intros c _.
    unfold query at 1, key at 1. simpl. fold (query a s i c). rewrite (sum_ext (fun f => inputs s j f * (W_K a f c + t * within a D f c))
      (fun f => inputs s j f * W_K a f c + t * (inputs s j f * within a D f c))) by (intros; ring).
    rewrite sum_plus, sum_scale. fold (added D s j c). unfold key. ring.
  - apply sum_ext. intros s _. set (l := seq 0 (tokens s)). rewrite sum_swap. apply sum_ext. intros j _.
    transitivity (sum (fun i => sum (fun c => query a s i c * added D s j c / sqrt (d_k a) * slope a s i j) (seq 0 (width a))) l).
    + apply sum_ext. intros i _. rewrite sum_scale_r. f_equal. unfold Rdiv. now rewrite sum_scale_r.
    + rewrite sum_swap. apply sum_ext. intros c _. unfold key_slope, Rdiv. fold l. rewrite Rmult_assoc, <- sum_scale_r.
      apply sum_ext. intros; ring.
Qed.
End Slopes.
