(** D1, the margin of anchored keys: angles obey the triangle inequality, by Cauchy-Schwarz off the middle direction. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Vectors Row RowFacts Anchored.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, Anchored.possible a /\ unit_anchors a /\ along_its_anchor a /\ equal_keys a.
Proof.
  assert (S : forall x : R, x * x = 1 -> sqrt (x * (x * 1) + 0) = 1)
    by (intros x E; replace (x * (x * 1) + 0) with 1 by lra; apply sqrt_1).
  exists (Anchored 1 2 (fun i _ => if Nat.eqb i 0 then 1 else -1) (fun _ => 1) [Anchored.Key 0 (fun _ => 1); Anchored.Key 1 (fun _ => -1)]
    1 (1 / 2)).
  unfold Anchored.possible, unit_anchors, along_its_anchor, equal_keys, alpha, length_of, norm; simpl.
  repeat split; try discriminate; try lra.
  - intros i [<- | [<- | []]]; simpl; lia.
  - rewrite !S by ring. rewrite sqrt_1, Rmax_left by lra. lra.
  - intros i _. destruct (Nat.eqb i 0); apply S; ring.
  - intros c _. rewrite S; ring.
  - intros i j [<- | [<- | []]] [<- | [<- | []]]; simpl; rewrite !S; ring.
Qed.

(** A filter keeps what it should. *)
Lemma in_block : forall a i, In i (Anchored.block a) <-> In i (Anchored.keys a) /\ owner i = 0%nat.
Proof. intros a i. unfold Anchored.block. now rewrite filter_In, Nat.eqb_eq. Qed.

Lemma in_others : forall a i, In i (Anchored.others a) <-> In i (Anchored.keys a) /\ owner i <> 0%nat.
Proof. intros a i. unfold Anchored.others. rewrite filter_In, Bool.negb_true_iff. now rewrite Nat.eqb_neq. Qed.

(** Angles are in the order opposite to their cosines'. *)
Lemma cos_falls : forall x y, 0 <= x -> x <= y -> y <= PI -> cos y <= cos x.
Proof. intros x y X [L | ->] Y; [| lra]. left. apply cos_decreasing_1; lra. Qed.

Lemma cos_tells : forall x y, 0 <= y <= PI -> 0 <= x <= PI -> cos y <= cos x -> x <= y.
Proof. intros x y Y X L. apply Rnot_lt_le. intros N. pose proof (cos_decreasing_1 y x). lra. Qed.

Section Facts.
Variable a : anchored.
Hypothesis P : Anchored.possible a.
Hypothesis U : unit_anchors a.
Hypothesis Q : along_its_anchor a.
Hypothesis E : equal_keys a.

Definition is_unit (u : nat -> R) : Prop := length_of a u = 1.

Lemma inner_comm : forall u v, inner a u v = inner a v u.
Proof. intros u v. apply sum_ext. intros; ring. Qed.

Lemma unit_square : forall u, is_unit u -> sum (fun c => u c ^ 2) (coordinates a) = 1.
Proof. intros u L. rewrite <- norm_square. unfold is_unit, length_of in L. rewrite L. ring. Qed.

Lemma inner_below_1 : forall u v, is_unit u -> is_unit v -> inner a u v <= 1.
Proof.
  intros u v L M. unfold is_unit, length_of in *. pose proof (cauchy_schwarz u v (coordinates a)) as C. rewrite L, M in C.
  unfold inner. lra.
Qed.

Lemma inner_above : forall u v, is_unit u -> is_unit v -> -1 <= inner a u v.
Proof.
  intros u v L M. assert (N : is_unit (fun c => -1 * u c)).
  { unfold is_unit, length_of in *. rewrite norm_scale, L, Rabs_left by lra. ring. }
  pose proof (inner_below_1 _ v N M) as B. unfold inner in *.
  rewrite (sum_ext _ (fun c => -1 * (u c * v c))), sum_scale in B by (intros; ring). lra.
Qed.

(** What is left of a unit vector off another one. *)
Lemma rest_square : forall u w, is_unit u -> is_unit w ->
  norm (fun c => u c - inner a u w * w c) (coordinates a) = sqrt (1 - (inner a u w)²).
Proof.
  intros u w L M. unfold norm. f_equal. set (y := inner a u w).
  rewrite (sum_ext _ (fun c => u c ^ 2 - (2 * y * (u c * w c) - y ^ 2 * w c ^ 2))) by (intros; ring).
  rewrite !sum_minus, !sum_scale, (unit_square u L), (unit_square w M). fold (inner a u w). fold y. unfold Rsqr. ring.
Qed.

(** The angle between two unit vectors is at least the difference of theirs to a third. *)
Lemma angles : forall u v w, is_unit u -> is_unit v -> is_unit w ->
  inner a u v <= cos (acos (inner a u w) - acos (inner a v w)).
Proof.
  intros u v w L M N. rewrite cos_minus, !cos_acos, !sin_acos by (split; auto using inner_above, inner_below_1).
  rewrite <- !rest_square by trivial.
  pose proof (cauchy_schwarz (fun c => u c - inner a u w * w c) (fun c => v c - inner a v w * w c) (coordinates a)) as C.
  set (y := inner a u w) in *. set (z := inner a v w) in *.
  rewrite (sum_ext _ (fun c => u c * v c - (z * (u c * w c) + (y * (v c * w c) - y * z * w c ^ 2)))) in C by (intros; ring).
  rewrite sum_minus, sum_plus, sum_minus, !sum_scale, (unit_square w N) in C.
  fold (inner a u v) (inner a u w) (inner a v w) in C. fold y z in C. lra.
Qed.

(** The keys have one positive length. *)
Lemma some_key : exists i, In i (Anchored.keys a) /\ forall j, In j (Anchored.keys a) -> length_of a (vector j) = length_of a (vector i).
Proof.
  destruct P as (B & _). destruct (Anchored.block a) as [| i l] eqn:F; [now destruct B |].
  assert (I : In i (Anchored.block a)) by (rewrite F; now left). apply in_block in I as [I _]. exists i.
  split; [exact I |]. intros j J. now apply E.
Qed.

Lemma alpha_is : forall i, In i (Anchored.keys a) ->
  alpha a = length_of a (query a) * length_of a (vector i) / sqrt (INR (width a)).
Proof.
  intros i I. unfold alpha. do 2 f_equal.
  destruct (largest_attained (fun i => length_of a (vector i)) (Anchored.keys a)) as (j & J & ->);
    [intros N; now rewrite N in I |]. now apply E.
Qed.

Lemma alpha_pos : 0 < alpha a.
Proof. apply P. Qed.

Lemma length_pos : forall i, In i (Anchored.keys a) -> 0 < length_of a (vector i).
Proof.
  intros i I. destruct (norm_nonneg (vector i) (coordinates a)) as [L | Z]; [exact L |]. pose proof alpha_pos as A.
  rewrite (alpha_is i I) in A. unfold length_of in A. rewrite <- Z in A. unfold Rdiv in A. rewrite Rmult_0_r, Rmult_0_l in A. lra.
Qed.

Lemma direction_unit : forall i, In i (Anchored.keys a) -> is_unit (direction a i).
Proof.
  intros i I. pose proof (length_pos i I) as L. unfold is_unit, length_of in *.
  assert (S : norm (direction a i) (coordinates a) = norm (fun c => / length_of a (vector i) * vector i c) (coordinates a)).
  { unfold norm. f_equal. apply sum_ext. intros c _. unfold direction, Rdiv. f_equal. ring. }
  rewrite S, norm_scale. unfold length_of. rewrite Rabs_pos_eq by (left; now apply Rinv_0_lt_compat). field. lra.
Qed.

Lemma score_is : forall i, In i (Anchored.keys a) -> Anchored.score a i = alpha a * inner a (anchor a 0) (direction a i).
Proof.
  intros i I. rewrite (alpha_is i I). pose proof (length_pos i I) as L. unfold Anchored.score.
  replace (inner a (query a) (vector i))
    with (length_of a (query a) * length_of a (vector i) * inner a (anchor a 0) (direction a i)); [unfold Rdiv; ring |].
  unfold inner. rewrite <- sum_scale. apply sum_ext. intros c C. rewrite (Q c C). unfold direction. field. lra.
Qed.

Lemma anchor_unit : forall i, In i (Anchored.keys a) -> is_unit (anchor a (owner i)).
Proof. intros i I. apply U. now apply P. Qed.

Lemma first_unit : is_unit (anchor a 0).
Proof. apply U. destruct some_key as (i & I & _). destruct P as (_ & _ & O & _). specialize (O i I). lia. Qed.

(** Distances and coherence. *)
Lemma distance_square : forall u v, is_unit u -> is_unit v ->
  length_of a (fun c => u c - v c) ^ 2 = 2 - 2 * inner a v u.
Proof.
  intros u v L M. unfold length_of. rewrite norm_square.
  rewrite (sum_ext _ (fun c => u c ^ 2 - (2 * (v c * u c) - v c ^ 2))) by (intros; ring).
  rewrite !sum_minus, sum_scale, (unit_square u L), (unit_square v M). unfold inner. ring.
Qed.

Lemma eta_nonneg : 0 <= eta_u a.
Proof.
  destruct some_key as (i & I & _). apply Rle_trans with (length_of a (fun c => direction a i c - anchor a (owner i) c)); [apply norm_nonneg |].
  exact (below_largest (fun i => length_of a (fun c => direction a i c - anchor a (owner i) c)) (Anchored.keys a) i I).
Qed.

Lemma near : forall i, In i (Anchored.keys a) -> 1 - eta_u a ^ 2 / 2 <= inner a (anchor a (owner i)) (direction a i).
Proof.
  intros i I. pose proof (distance_square _ _ (direction_unit i I) (anchor_unit i I)) as S.
  pose proof (below_largest (fun i => length_of a (fun c => direction a i c - anchor a (owner i) c)) (Anchored.keys a) i I) as B.
  simpl in B. fold (eta_u a) in B.
  assert (length_of a (fun c => direction a i c - anchor a (owner i) c) ^ 2 <= eta_u a ^ 2); [| lra].
  apply pow_incr. split; [apply norm_nonneg | exact B].
Qed.

Lemma eta_below_2 : eta_u a <= 2.
Proof.
  destruct some_key as (j & J & _).
  destruct (largest_attained (fun i => length_of a (fun c => direction a i c - anchor a (owner i) c)) (Anchored.keys a))
    as (i & I & S); [intros N; now rewrite N in J |]. unfold eta_u. rewrite S.
  pose proof (distance_square _ _ (direction_unit i I) (anchor_unit i I)).
  pose proof (inner_above _ _ (anchor_unit i I) (direction_unit i I)).
  apply Rsqr_incr_0_var; [rewrite !Rsqr_pow2 |]; lra.
Qed.

Lemma coherent : forall j, (0 < j < anchors a)%nat -> inner a (anchor a 0) (anchor a j) <= mu_u a.
Proof.
  intros j J. rewrite inner_comm. apply (below_largest (fun p => inner a (anchor a (fst p)) (anchor a (snd p))) (pairs a) (j, 0%nat)).
  apply in_flat_map. exists j. split; [apply in_seq; lia |]. apply in_map, in_seq. lia.
Qed.

Lemma some_other : exists i, In i (Anchored.others a).
Proof. destruct P as (_ & O & _). destruct (Anchored.others a) as [| i l]; [now destruct O | exists i; now left]. Qed.

Lemma other_owner : forall i, In i (Anchored.others a) -> In i (Anchored.keys a) /\ (0 < owner i < anchors a)%nat.
Proof. intros i I. apply in_others in I as [I O]. destruct P as (_ & _ & A & _). specialize (A i I). split; [exact I | lia]. Qed.

Lemma mu_inside : -1 <= mu_u a <= 1.
Proof.
  destruct some_other as (i & I). destruct (other_owner i I) as [K O]. split.
  - eapply Rle_trans; [| now apply (coherent (owner i))]. apply inner_above; [apply first_unit | now apply anchor_unit].
  - destruct (largest_attained (fun p => inner a (anchor a (fst p)) (anchor a (snd p))) (pairs a)) as (p & J & S).
    + intros N. pose proof (in_flat_map (fun i => map (pair i) (seq 0 i)) (seq 0 (anchors a)) (owner i, 0%nat)) as [_ F].
      unfold pairs in N. rewrite N in F. apply F. exists (owner i). split; [apply in_seq; lia | apply in_map, in_seq; lia].
    + unfold mu_u. rewrite S. apply in_flat_map in J as (j & J & L). apply in_map_iff in L as (l & <- & L).
      apply in_seq in J. apply in_seq in L. simpl. apply inner_below_1; apply U; lia.
Qed.

Let phi := 2 * asin (eta_u a / 2).
Let theta := acos (mu_u a).

Lemma cos_phi : cos phi = 1 - eta_u a ^ 2 / 2.
Proof.
  unfold phi. pose proof eta_nonneg. pose proof eta_below_2. rewrite cos_2a_sin, sin_asin by lra. field.
Qed.

Lemma phi_inside : 0 <= phi <= PI.
Proof.
  unfold phi. pose proof eta_nonneg. pose proof eta_below_2. pose proof (asin_bound (eta_u a / 2)). split; [| lra].
  assert (0 <= asin (eta_u a / 2)); [| lra]. apply Rnot_lt_le. intros N. pose proof PI_RGT_0.
  pose proof (sin_lt_0_var (asin (eta_u a / 2)) ltac:(lra) N) as S. rewrite sin_asin in S; lra.
Qed.

Lemma theta_inside : 0 <= theta <= PI.
Proof. apply acos_bound. Qed.

Lemma inside_above : forall i, In i (Anchored.block a) -> cos phi <= inner a (anchor a 0) (direction a i).
Proof. intros i I. apply in_block in I as [I O]. pose proof (near i I) as N. rewrite O in N. now rewrite cos_phi. Qed.

Lemma outside_below : forall i, In i (Anchored.others a) ->
  inner a (anchor a 0) (direction a i) <= cos (Rmax 0 (theta - phi)).
Proof.
  intros i I. destruct (other_owner i I) as [K O]. pose proof first_unit as F. pose proof (direction_unit i K) as D.
  pose proof (anchor_unit i K) as V. pose proof theta_inside as T. pose proof phi_inside as H.
  unfold Rmax. destruct (Rle_dec 0 (theta - phi)) as [L | L]; [| rewrite cos_0; now apply inner_below_1].
  eapply Rle_trans; [now apply (angles _ _ _ F D V) |].
  pose proof (acos_bound (inner a (anchor a 0) (anchor a (owner i)))) as A.
  pose proof (acos_bound (inner a (direction a i) (anchor a (owner i)))) as B.
  assert (theta <= acos (inner a (anchor a 0) (anchor a (owner i)))).
  { apply cos_tells; trivial. unfold theta. rewrite !cos_acos by (apply mu_inside || (split; auto using inner_above, inner_below_1)).
    now apply coherent. }
  assert (acos (inner a (direction a i) (anchor a (owner i))) <= phi).
  { apply cos_tells; trivial. rewrite cos_phi, cos_acos by (split; auto using inner_above, inner_below_1).
    rewrite inner_comm. now apply near. }
  apply cos_falls; lra.
Qed.

(** Any such bounds on either side give a margin. *)
Lemma margin_of : forall x y, (forall i, In i (Anchored.block a) -> x <= inner a (anchor a 0) (direction a i)) ->
  (forall i, In i (Anchored.others a) -> inner a (anchor a 0) (direction a i) <= y) -> alpha a * (x - y) <= Anchored.delta a.
Proof.
  intros x y X Y. unfold Anchored.delta, Row.delta, row_of. simpl. rewrite least_map, largest_map. simpl.
  pose proof alpha_pos. destruct P as (B & O & _).
  destruct (least_attained (Anchored.score a) (Anchored.block a) B) as (i & I & S).
  destruct (largest_attained (Anchored.score a) (Anchored.others a) O) as (j & J & T).
  change (fun i0 : Anchored.key => Anchored.score a i0) with (Anchored.score a). rewrite S, T.
  rewrite (score_is i (proj1 (proj1 (in_block a i) I))), (score_is j (proj1 (proj1 (in_others a j) J))).
  specialize (X i I). specialize (Y j J). rewrite <- Rmult_minus_distr_l. apply Rmult_le_compat_l; lra.
Qed.

Lemma row_possible : Row.possible (row_of a).
Proof.
  destruct P as (B & O & _ & T & _). unfold Row.possible, Row.keys, row_of. simpl. rewrite <- map_app. repeat split; try lra.
  - intros N. now apply map_eq_nil in N.
  - intros N. now apply map_eq_nil in N.
  - intros i I. apply in_map_iff in I as (j & <- & _). simpl. lra.
  - apply sum_pos; [| intros i I; apply in_map_iff in I as (j & <- & _); simpl; lra].
    intros N. now apply map_eq_nil, app_eq_nil in N.
Qed.

Lemma bracket_pos : cos phi - cos (Rmax 0 (theta - phi)) > 0 <-> 2 * phi < theta.
Proof.
  pose proof phi_inside as H. pose proof theta_inside as T. unfold Rmax. destruct (Rle_dec 0 (theta - phi)) as [L | L].
  - split; intros G.
    + apply Rnot_le_lt. intros N. pose proof (cos_falls (theta - phi) phi). lra.
    + pose proof (cos_decreasing_1 phi (theta - phi)). lra.
  - rewrite cos_0. pose proof (COS_bound phi). split; lra.
Qed.
End Facts.

Theorem margin : forall a, Anchored.possible a -> unit_anchors a -> along_its_anchor a -> equal_keys a ->
  Anchored.delta a >= alpha a * (cos (2 * asin (eta_u a / 2)) - cos (Rmax 0 (acos (mu_u a) - 2 * asin (eta_u a / 2)))).
Proof.
  intros a P U Q E. apply Rle_ge, margin_of; trivial; [now apply inside_above | now apply outside_below].
Qed.

Theorem simple : forall a, Anchored.possible a -> unit_anchors a -> along_its_anchor a -> equal_keys a ->
  Anchored.delta a >= alpha a * (- 2 * eta_u a - mu_u a + 1).
Proof.
  intros a P U Q E. pose proof (eta_nonneg a P E) as N. pose proof (eta_below_2 a P U E) as B.
  replace (- 2 * eta_u a - mu_u a + 1) with ((1 - eta_u a) - (mu_u a + eta_u a)) by ring. apply Rle_ge, margin_of; trivial.
  - intros i I. apply in_block in I as [I O]. pose proof (near a P U E i I) as S. rewrite O in S.
    pose proof (Rmult_le_compat_l (eta_u a) _ _ N B). simpl in S. lra.
  - intros i I. destruct (other_owner a P i I) as [K O]. pose proof (coherent a (owner i) O) as C.
    pose proof (cauchy_schwarz (anchor a 0) (fun c => direction a i c - anchor a (owner i) c) (coordinates a)) as S.
    pose proof (first_unit a P U E) as F. unfold is_unit, length_of in F. rewrite F, Rmult_1_l in S.
    pose proof (below_largest (fun i => length_of a (fun c => direction a i c - anchor a (owner i) c)) (Anchored.keys a) i K) as G.
    simpl in G. fold (eta_u a) in G. unfold length_of in G.
    rewrite (sum_ext _ (fun c => anchor a 0 c * direction a i c - anchor a 0 c * anchor a (owner i) c)) in S by (intros; ring).
    rewrite sum_minus in S. unfold inner in *. lra.
Qed.

Theorem sign : forall a, Anchored.possible a -> unit_anchors a -> along_its_anchor a -> equal_keys a ->
  ((cos (2 * asin (eta_u a / 2)) - cos (Rmax 0 (acos (mu_u a) - 2 * asin (eta_u a / 2))) > 0)
   <-> (4 * asin (eta_u a / 2) < acos (mu_u a))).
Proof. intros a P U Q E. rewrite (bracket_pos a P U E). split; lra. Qed.

Theorem scale : forall a, Anchored.possible a -> unit_anchors a -> along_its_anchor a -> equal_keys a ->
  4 * asin (eta_u a / 2) < acos (mu_u a) ->
  alpha a >= Anchored.tau a * Rmax 0 (ln (Anchored.k a / Anchored.m a) + Logit (1 - Anchored.epsilon_target a))
    / (cos (2 * asin (eta_u a / 2)) - cos (Rmax 0 (acos (mu_u a) - 2 * asin (eta_u a / 2)))) ->
  Anchored.epsilon a <= Anchored.epsilon_target a.
Proof.
  intros a P U Q E S L. pose proof (margin a P U Q E) as G. pose proof (proj2 (bracket_pos a P U E)) as B.
  set (b := cos (2 * asin (eta_u a / 2)) - cos (Rmax 0 (acos (mu_u a) - 2 * asin (eta_u a / 2)))) in *.
  specialize (B ltac:(lra)). pose proof (row_possible a P) as V. destruct P as (_ & _ & _ & T & I & _).
  unfold Anchored.epsilon. eapply Rle_trans; [apply (epsilon_below _ V (Row.d (row_of a))) |].
  - eapply Rle_trans; [now apply d_le_mean | now apply d_mean_le_Delta].
  - apply (threshold_iff _ V); [exact I |]. change (Row.k (row_of a)) with (Anchored.k a). change (Row.m (row_of a)) with (Anchored.m a).
    set (x := ln (Anchored.k a / Anchored.m a) + Logit (1 - Anchored.epsilon_target a)) in *.
    unfold Row.d. change (Row.delta (row_of a)) with (Anchored.delta a). change (Row.tau (row_of a)) with (Anchored.tau a).
    apply Rle_ge, (Rmult_le_reg_r (Anchored.tau a)); [exact T |].
    replace (Anchored.delta a / Anchored.tau a * Anchored.tau a) with (Anchored.delta a) by (field; lra).
    apply Rge_le in L. apply (Rmult_le_compat_r b) in L; [| lra]. unfold Rdiv in L. rewrite Rmult_assoc, Rinv_l, Rmult_1_r in L by lra.
    pose proof (Rmax_r 0 x) as M. apply (Rmult_le_compat_l (Anchored.tau a)) in M; [| lra]. lra.
Qed.
