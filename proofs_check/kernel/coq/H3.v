(** H3, the last layers: normalised vectors are no farther apart than the vectors over the lesser of their lengths, and
    the MLP, the residual sum and the unembedding add their norms. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Vectors Matrices.
From Localist Require Truncated H1.
From Localist Require Import Last.
Import ListNotations.
Open Scope R_scope.

(** Of two vectors with the squared lengths [x] and [y], each over its length with [k] more under the root. *)
Lemma normalised : forall x y s k u v w, 0 < w -> w <= u -> w <= v -> u ^ 2 = x + k -> v ^ 2 = y + k -> 0 <= k ->
  0 <= x + y - 2 * s -> x * (/ u) ^ 2 + y * (/ v) ^ 2 - 2 * s * (/ u * / v) <= (x + y - 2 * s) * (/ w) ^ 2.
Proof.
  intros x y s k u v w W U V X Y K D. set (p := / u). set (q := / v).
  assert (P : 0 < p) by (apply Rinv_0_lt_compat; lra). assert (Q : 0 < q) by (apply Rinv_0_lt_compat; lra).
  assert (EP : x * p ^ 2 = 1 - k * p ^ 2) by (replace x with (u ^ 2 - k) by lra; unfold p; field; lra).
  assert (EQ : y * q ^ 2 = 1 - k * q ^ 2) by (replace y with (v ^ 2 - k) by lra; unfold q; field; lra).
  assert (A : 0 <= k * (p - q) ^ 2) by (apply Rmult_le_pos; [exact K | apply pow2_ge_0]).
  assert (B : 0 <= p * q * (u - v) ^ 2) by (apply Rmult_le_pos; [apply Rmult_le_pos; lra | apply pow2_ge_0]).
  assert (E : p * q * (u - v) ^ 2 = p * q * (x + y + 2 * k) - 2).
  { replace (x + y + 2 * k) with (u ^ 2 + v ^ 2) by lra. unfold p, q. field. lra. }
  apply Rle_trans with ((x + y - 2 * s) * (p * q)).
  - rewrite EP, EQ. replace (k * (p - q) ^ 2) with (k * p ^ 2 + k * q ^ 2 - 2 * k * (p * q)) in A by ring. lra.
  - apply Rmult_le_compat_l; [exact D |]. simpl. rewrite Rmult_1_r.
    apply Rmult_le_compat; try lra; apply Rinv_le_contravar; lra.
Qed.

(** A vector less its mean is no longer than the vector. *)
Lemma centring : forall (f : nat -> R) l, norm (fun c => f c - mean f l) l <= norm f l.
Proof.
  intros f [| i l]; [right; reflexivity |]. apply sqrt_le_1_alt. set (L := i :: l).
  pose proof (count_at_least_1 L ltac:(discriminate)) as N. set (x := mean f L).
  assert (S : sum f L = count L * x) by (unfold x, mean; field; lra).
  rewrite (sum_ext _ (fun c => f c ^ 2 - 2 * x * f c + x ^ 2)) by (intros; ring).
  rewrite sum_plus, sum_minus, sum_scale, sum_const, S.
  assert (0 <= count L * x ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]). lra.
Qed.

(** Entries times factors no larger than [g]. *)
Lemma gained : forall (w f : nat -> R) l, norm (fun c => w c * f c) l <= largest (fun c => Rabs (w c)) l * norm f l.
Proof.
  intros w f l. set (g := largest (fun c => Rabs (w c)) l). assert (G : 0 <= g).
  { unfold g. destruct l as [| i l]; [simpl; lra |].
    eapply Rle_trans; [apply (Rabs_pos (w i)) | apply (below_largest (fun c => Rabs (w c))); now left]. }
  apply norm_by_square; [apply Rmult_le_pos; [exact G | apply norm_nonneg] |].
  rewrite Rpow_mult_distr, norm_square, <- sum_scale. apply sum_le. intros c I. rewrite Rpow_mult_distr.
  apply Rmult_le_compat_r; [apply pow2_ge_0 |]. rewrite <- (pow2_abs (w c)). apply pow_incr.
  split; [apply Rabs_pos | now apply (below_largest (fun c => Rabs (w c)))].
Qed.

Lemma norm_minus : forall (f g : nat -> R) l, norm f l - norm (fun c => f c - g c) l <= norm g l.
Proof.
  intros f g l. pose proof (minkowski (fun c => f c - g c) g l) as M.
  rewrite (norm_ext _ f) in M by (intros; ring). lra.
Qed.

Lemma norm_swap : forall (f g : nat -> R) l, norm (fun c => f c - g c) l = norm (fun c => g c - f c) l.
Proof. intros f g l. unfold norm. f_equal. apply sum_ext. intros; ring. Qed.

Section Facts.
Variable a : last.
Hypothesis P : possible a.

Let C := coordinates a.

Lemma width_pos : 1 <= p_r a.
Proof.
  destruct P as (_ & W & _). apply count_at_least_1. unfold coordinates. destruct (width a); [lia | discriminate].
Qed.

Lemma epsilon_pos : 0 < epsilon_ln a. Proof. now destruct P as (_ & _ & ? & _). Qed.

Lemma under_root : forall x, 0 < epsilon_ln a * p_r a + x ^ 2.
Proof.
  intros x. pose proof epsilon_pos. pose proof width_pos. pose proof (pow2_ge_0 x).
  assert (0 < epsilon_ln a * p_r a) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(** What a move is stretched by, where a length of [c] moves by [e]. *)
Definition slope (c e : R) : R := sqrt (p_r a) / sqrt (epsilon_ln a * p_r a + (- e + c) ^ 2).

Lemma slope_pos : forall c e, 0 < slope c e.
Proof.
  intros c e. pose proof width_pos. apply Rdiv_lt_0_compat; apply sqrt_lt_R0; [lra | apply under_root].
Qed.

Lemma slope_le : forall c d e, d <= e -> e <= c -> slope c d <= slope c e.
Proof.
  intros c d e D E. unfold slope. apply Rmult_le_compat_l; [apply sqrt_pos |].
  apply Rinv_le_contravar; [apply sqrt_lt_R0, under_root |]. apply sqrt_le_1_alt, Rplus_le_compat_l, pow_incr. lra.
Qed.

Lemma spread_square : forall x, spread a x ^ 2 = sum (fun c => centred a x c ^ 2) C / p_r a + epsilon_ln a.
Proof.
  intros x. unfold spread. apply pow2_sqrt. pose proof epsilon_pos. pose proof width_pos.
  pose proof (squares_nonneg (centred a x) C).
  assert (0 <= sum (fun c => centred a x c ^ 2) C / p_r a) by (apply Rmult_le_pos; [trivial | left; apply Rinv_0_lt_compat; lra]).
  unfold C in *. lra.
Qed.

(** A spread is at least that of a shorter length. *)
Lemma spread_above : forall x c e, e <= c -> c - e <= norm (centred a x) C -> / slope c e <= spread a x.
Proof.
  intros x c e E L. pose proof width_pos as W. pose proof (under_root (- e + c)) as U.
  assert (S : / slope c e = sqrt ((- e + c) ^ 2 / p_r a + epsilon_ln a)).
  { unfold slope. replace ((- e + c) ^ 2 / p_r a + epsilon_ln a) with ((epsilon_ln a * p_r a + (- e + c) ^ 2) / p_r a)
      by (field; lra).
    rewrite sqrt_div by lra. field. split; apply Rgt_not_eq, sqrt_lt_R0; lra. }
  rewrite S. apply sqrt_le_1_alt, Rplus_le_compat_r. unfold Rdiv. apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; lra |].
  fold C. rewrite <- norm_square. apply pow_incr. lra.
Qed.

(** Layer norm stretches no move by more than its gain times the slope. *)
Lemma norm_moves : forall w b x y e, norm (fun c => y c - x c) C <= e -> e < norm (centred a x) C ->
  norm (fun c => layer_norm a w b y c - layer_norm a w b x c) C
  <= largest (fun c => Rabs (w c)) C * slope (norm (centred a x) C) e * norm (fun c => y c - x c) C.
Proof.
  intros w b x y e E L. set (c := norm (centred a x) C) in *. pose proof (slope_pos c e) as S.
  set (X := spread a x). set (Y := spread a y). pose proof width_pos as W.
  assert (K : norm (fun i => centred a y i - centred a x i) C <= norm (fun i => y i - x i) C).
  { eapply Rle_trans; [| apply centring]. right. apply norm_ext. intros i _. unfold centred, mean. fold C.
    rewrite sum_minus. unfold Rdiv. ring. }
  pose proof (norm_nonneg (fun i => y i - x i) C) as N0.
  assert (HX : / slope c e <= X) by (apply spread_above; fold c; lra).
  assert (HY : / slope c e <= Y).
  { apply spread_above; [lra |]. pose proof (norm_minus (centred a x) (centred a y) C) as M.
    rewrite norm_swap in M. fold c in M. lra. }
  assert (HS : 0 < / slope c e) by now apply Rinv_0_lt_compat.
  rewrite (norm_ext _ (fun i => w i * (centred a y i / Y - centred a x i / X)))
    by (intros; unfold layer_norm; fold X Y; ring).
  eapply Rle_trans; [apply gained |]. rewrite Rmult_assoc. apply Rmult_le_compat_l.
  { destruct C as [| i l]; [simpl; lra |].
    eapply Rle_trans; [apply (Rabs_pos (w i)) | apply (below_largest (fun c => Rabs (w c))); now left]. }
  apply Rle_trans with (slope c e * norm (fun i => centred a y i - centred a x i) C);
    [| apply Rmult_le_compat_l; [lra | exact K]].
  apply norm_by_square; [apply Rmult_le_pos; [lra | apply norm_nonneg] |].
  rewrite Rpow_mult_distr, norm_square.
  set (A := sum (fun i => centred a x i ^ 2) C). set (B := sum (fun i => centred a y i ^ 2) C).
  set (s := sum (fun i => centred a x i * centred a y i) C).
  assert (D : sum (fun i => (centred a y i - centred a x i) ^ 2) C = A + B - 2 * s).
  { unfold A, B, s. rewrite <- sum_scale, <- sum_plus, <- sum_minus. apply sum_ext. intros; ring. }
  assert (Q : sum (fun i => (centred a y i / Y - centred a x i / X) ^ 2) C
    = A * (/ X) ^ 2 + B * (/ Y) ^ 2 - 2 * s * (/ X * / Y)).
  { unfold A, B, s. rewrite <- sum_scale, <- !sum_scale_r, <- sum_plus, <- sum_minus. apply sum_ext.
    intros; unfold Rdiv; ring. }
  rewrite D, Q. pose proof (squares_nonneg (fun i => centred a y i - centred a x i) C) as Z. cbv beta in Z. rewrite D in Z.
  pose proof (normalised (A / p_r a) (B / p_r a) (s / p_r a) (epsilon_ln a) X Y (/ slope c e) HS HX HY
    (spread_square x) (spread_square y) (Rlt_le _ _ epsilon_pos)) as F.
  replace (A / p_r a + B / p_r a - 2 * (s / p_r a)) with ((A + B - 2 * s) / p_r a) in F by (field; lra).
  specialize (F ltac:(apply Rmult_le_pos; [exact Z | left; apply Rinv_0_lt_compat; lra])).
  rewrite Rinv_inv in F. apply (Rmult_le_compat_l (p_r a)) in F; [| lra].
  replace (p_r a * ((A + B - 2 * s) / p_r a * slope c e ^ 2)) with (slope c e ^ 2 * (A + B - 2 * s)) in F by (field; lra).
  replace (p_r a * (A / p_r a * (/ X) ^ 2 + B / p_r a * (/ Y) ^ 2 - 2 * (s / p_r a) * (/ X * / Y)))
    with (A * (/ X) ^ 2 + B * (/ Y) ^ 2 - 2 * s * (/ X * / Y)) in F; [exact F |].
  set (u := / X). set (v := / Y). field. lra.
Qed.

Lemma layer_moves : norm (fun c => moved a c - residual a c) C = r_layer a.
Proof.
  unfold r_layer, Truncated.r_layer. apply norm_ext. intros c _. unfold moved. ring.
Qed.

Lemma gains_nonneg : forall w, 0 <= largest (fun c => Rabs (w c)) C.
Proof.
  intros w. destruct C as [| i l]; [simpl; lra |].
  eapply Rle_trans; [apply (Rabs_pos (w i)) | apply (below_largest (fun c => Rabs (w c))); now left].
Qed.

Lemma steepest_nonneg : 0 <= steepest a.
Proof.
  destruct P as (_ & _ & _ & L). specialize (L 1 0). pose proof (Rabs_pos (activation a 1 - activation a 0)).
  rewrite Rminus_0_r, Rabs_R1 in L. lra.
Qed.

Lemma mlp_nonneg : 0 <= M_r a.
Proof. repeat apply Rmult_le_pos; try apply spectral_nonneg. apply steepest_nonneg. Qed.

(** The MLP adds at most its norms' product times the move of its input. *)
Lemma mlp_moves : r_end a <= r_layer a + M_r a * n_mid a.
Proof.
  set (u := fun h => unit a (middle a (moved a)) h - unit a (middle a (residual a)) h).
  assert (U : norm u (hidden a) <= steepest a * (spectral (first a) C (hidden a) * n_mid a)).
  { apply Rle_trans with (steepest a * norm (image_t (first a) C (move_of a (middle a))) (hidden a)).
    - pose proof steepest_nonneg as S. apply norm_by_square; [apply Rmult_le_pos; [exact S | apply norm_nonneg] |].
      rewrite Rpow_mult_distr, norm_square, <- sum_scale. apply sum_le. intros h _. rewrite <- Rpow_mult_distr.
      rewrite <- (pow2_abs (u h)), <- (pow2_abs (_ * _)), Rabs_mult, (Rabs_pos_eq (steepest a)) by exact S.
      apply pow_incr. split; [apply Rabs_pos |]. destruct P as (_ & _ & _ & L). unfold u, unit.
      eapply Rle_trans; [apply L |]. apply Rmult_le_compat_l; [exact S |]. right. f_equal.
      unfold image_t, move_of. fold C.
      rewrite (sum_ext (fun i => first a i h * (middle a (moved a) i - middle a (residual a) i))
        (fun i => first a i h * middle a (moved a) i - first a i h * middle a (residual a) i)) by (intros; ring).
      rewrite sum_minus. ring.
    - apply Rmult_le_compat_l; [apply steepest_nonneg | apply image_t_below]. }
  unfold r_end. fold C.
  rewrite (norm_ext _ (fun c => (moved a c - residual a c) + image (second a) (hidden a) u c)).
  - eapply Rle_trans; [apply minkowski |]. rewrite layer_moves. apply Rplus_le_compat_l.
    eapply Rle_trans; [apply image_below |]. unfold M_r. fold C.
    pose proof (spectral_nonneg (second a) C (hidden a)) as S. apply (Rmult_le_compat_l _ _ _ S) in U. lra.
  - intros c _. unfold move_of, after_mlp, image, u.
    rewrite (sum_ext (fun j => second a c j * (_ - _)) (fun j => second a c j * unit a (middle a (moved a)) j
      - second a c j * unit a (middle a (residual a)) j)) by (intros; ring).
    rewrite sum_minus. ring.
Qed.

Lemma first_moves : forall e, r_layer a <= e -> e < c_mid a -> n_mid a <= gamma_mid a * slope (c_mid a) e * r_layer a.
Proof.
  intros e E L. pose proof (norm_moves (weight_mid a) (bias_mid a) (residual a) (moved a) e) as M.
  rewrite layer_moves in M. now apply M.
Qed.

Definition growth (e : R) : R := M_r a * gamma_mid a * sqrt (p_r a) / sqrt (epsilon_ln a * p_r a + (- e + c_mid a) ^ 2) + 1.

Lemma growth_is : forall e, growth e = M_r a * (gamma_mid a * slope (c_mid a) e) + 1.
Proof. intros e. unfold growth, slope, Rdiv. ring. Qed.

Lemma growth_pos : forall e, 0 < growth e.
Proof.
  intros e. rewrite growth_is. pose proof (gains_nonneg (weight_mid a)). fold (gamma_mid a) in H.
  assert (0 <= M_r a * (gamma_mid a * slope (c_mid a) e)).
  { apply Rmult_le_pos; [apply mlp_nonneg | apply Rmult_le_pos; [exact H | left; apply slope_pos]]. } lra.
Qed.

Lemma residual_moves : forall e, r_layer a <= e -> e < c_mid a -> r_end a <= r_layer a * growth e.
Proof.
  intros e E L. rewrite growth_is. pose proof mlp_moves as M. pose proof (first_moves e E L) as F.
  apply (Rmult_le_compat_l (M_r a)) in F; [| apply mlp_nonneg]. lra.
Qed.

Lemma last_moves : forall e, r_end a <= e -> e < c_end a -> n_end a <= gamma_end a * slope (c_end a) e * r_end a.
Proof.
  intros e E L.
  exact (norm_moves (weight_end a) (bias_end a) (after_mlp a (residual a)) (after_mlp a (moved a)) e E L).
Qed.

Lemma logit_moves : rho_cut a <= D_U a * n_end a.
Proof.
  unfold rho_cut, D_U. destruct (vocabulary a) as [| i l] eqn:V; [simpl; lra |]. rewrite <- V in *.
  assert (N : vocabulary a <> []) by congruence.
  destruct (largest_attained (move_of a (logit a)) _ N) as (s & S & ->).
  destruct (least_attained (move_of a (logit a)) _ N) as (t & T & ->).
  apply Rle_trans with (sum (fun c => (unembedding a s c - unembedding a t c) * move_of a (normed a) c) C).
  - right. unfold move_of, logit. fold C. rewrite <- !sum_minus. apply sum_ext. intros; ring.
  - eapply Rle_trans; [apply cauchy_schwarz |]. apply Rmult_le_compat_r; [apply norm_nonneg |].
    apply (below_largest (fun p => norm (fun c => unembedding a (fst p) c - unembedding a (snd p) c) C) _ (s, t)).
    now apply in_prod.
Qed.

Lemma D_U_nonneg : 0 <= D_U a.
Proof.
  unfold D_U. destruct (list_prod _ _) as [| p l]; [simpl; lra |].
  eapply Rle_trans; [| apply (below_largest _ _ p); now left]. apply norm_nonneg.
Qed.

Lemma layer_below : 0 <= r_layer a <= S_cut a.
Proof. split; [apply norm_nonneg |]. destruct P as (Q & _). now apply H1.layer_by_head. Qed.

(** All of it together, with a bound [e] on what the layer moves. *)
Lemma together : forall e, S_cut a <= e -> e < c_mid a -> e * growth e < c_end a ->
  rho_cut a <= D_U a * S_cut a * gamma_end a * sqrt (p_r a) * growth e
    / sqrt (epsilon_ln a * p_r a + (- e * growth e + c_end a) ^ 2).
Proof.
  intros e S L E. pose proof layer_below as [N B]. pose proof (growth_pos e) as G.
  assert (R : r_end a <= S_cut a * growth e).
  { eapply Rle_trans; [apply (residual_moves e); lra |]. apply Rmult_le_compat_r; lra. }
  assert (T : S_cut a * growth e <= e * growth e) by (apply Rmult_le_compat_r; lra).
  pose proof (last_moves (e * growth e) ltac:(lra) E) as F. pose proof (slope_pos (c_end a) (e * growth e)) as Q.
  assert (K : 0 <= gamma_end a * slope (c_end a) (e * growth e)).
  { apply Rmult_le_pos; [apply gains_nonneg | lra]. }
  apply (Rmult_le_compat_l _ _ _ K) in R.
  eapply Rle_trans; [apply logit_moves |].
  apply Rle_trans with (D_U a * (gamma_end a * slope (c_end a) (e * growth e) * (S_cut a * growth e))).
  - apply Rmult_le_compat_l; [apply D_U_nonneg | lra].
  - right. unfold slope. rewrite Ropp_mult_distr_l. unfold Rdiv. ring.
Qed.
End Facts.

Theorem first_norm : forall a, possible a -> r_layer a < c_mid a ->
  n_mid a <= gamma_mid a * sqrt (p_r a) * r_layer a / sqrt (epsilon_ln a * p_r a + (c_mid a - r_layer a) ^ 2).
Proof.
  intros a P L. eapply Rle_trans; [apply (first_moves a P (r_layer a)); lra |]. right. unfold slope.
  replace (c_mid a - r_layer a) with (- r_layer a + c_mid a) by ring. unfold Rdiv. ring.
Qed.

Theorem residual : forall a, possible a -> r_layer a < c_mid a ->
  r_end a <= r_layer a
    * (M_r a * gamma_mid a * sqrt (p_r a) / sqrt (epsilon_ln a * p_r a + (c_mid a - r_layer a) ^ 2) + 1).
Proof.
  intros a P L. eapply Rle_trans; [apply (residual_moves a P (r_layer a)); lra |]. right. unfold growth.
  now replace (c_mid a - r_layer a) with (- r_layer a + c_mid a) by ring.
Qed.

Theorem last_norm : forall a, possible a -> r_end a < c_end a ->
  n_end a <= gamma_end a * sqrt (p_r a) * r_end a / sqrt (epsilon_ln a * p_r a + (c_end a - r_end a) ^ 2).
Proof.
  intros a P L. eapply Rle_trans; [apply (last_moves a P (r_end a)); lra |]. right. unfold slope.
  replace (c_end a - r_end a) with (- r_end a + c_end a) by ring. unfold Rdiv. ring.
Qed.

Theorem logits : forall a, possible a -> rho_cut a <= D_U a * n_end a.
Proof. intros a _. apply logit_moves. Qed.

Theorem composition : forall a, possible a -> S_cut a < c_mid a /\ S_cut a * growth a (S_cut a) < c_end a ->
  rho_cut a <= D_U a * S_cut a * gamma_end a * sqrt (p_r a) * growth a (S_cut a)
    / sqrt (epsilon_ln a * p_r a + (- S_cut a * growth a (S_cut a) + c_end a) ^ 2).
Proof. intros a P [L E]. apply together; trivial. lra. Qed.

Theorem leak_suffices : forall a, possible a -> S_cut a <= S_star a /\
  D_U a * S_cut a * gamma_end a * sqrt (p_r a) * growth a (S_star a)
    / sqrt (epsilon_ln a * p_r a + (- S_star a * growth a (S_star a) + c_end a) ^ 2) <= rho_star a /\
  S_star a < c_mid a /\ S_star a * growth a (S_star a) < c_end a -> rho_cut a <= rho_star a.
Proof. intros a P (S & B & L & E). eapply Rle_trans; [apply (together a P (S_star a)); trivial | exact B]. Qed.
