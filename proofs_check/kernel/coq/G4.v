(** G4, the variance of the surprise. A row with entropy [H] is compared with the row of the same entropy that has one
    key with mass [1 - s] and all others alike: no key of the given row has more mass than [1 - s], and below that
    [x ln(x/x0)^2] lies under a combination of [1], [x] and [x ln x] that it touches at the common mass [x0]. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Row RowFacts Beside Surprise.
Open Scope R_scope.

Section Variance.
Context {A : Type}.
Variables (a : A -> R) (l : list A).
Hypothesis pos : forall i, In i l -> 0 < a i.
Hypothesis one : sum a l = 1.
Hypothesis several : 2 <= count l.

Let N := count l - 1.
Let L := ln N.
Let H := sum (fun i => - a i * ln (a i)) l.
Let M := largest a l.

Lemma L_nonneg : 0 <= L.
Proof. rewrite <- ln_1. apply ln_le; unfold N; lra. Qed.

(** The largest mass, and the entropy left to the others. *)
Lemma largest_mass : 0 < M < 1 /\ 1 <= count l * M /\ H <= BinaryEntropy (1 - M) + (1 - M) * L.
Proof.
  assert (E : l <> nil) by (intros E; rewrite E in several; unfold count in several; simpl in several; lra).
  destruct (largest_attained a l E) as (b & I & B). fold M in B. pose proof (pos b I) as P.
  assert (M1 : M < 1).
  { rewrite B, <- one. apply in_split in I as (l1 & l2 & S). rewrite S, sum_app. simpl.
    assert (0 < sum a (l1 ++ l2)).
    { apply sum_pos.
      - intros Z. apply app_eq_nil in Z as [-> ->]. rewrite S in several. unfold count in several. simpl in several. lra.
      - intros i J. apply pos. rewrite S. apply in_or_app. apply in_app_or in J. simpl. tauto. }
    rewrite sum_app in H0. lra. }
  split; [lra |]. split.
  - rewrite <- one. apply sum_below. intros i J. now apply below_largest.
  - assert (C : 0 < (1 - M) / N) by (apply Rdiv_lt_0_compat; unfold N; lra).
    pose proof (gibbs_level_but_one a _ b l (fun i J => Rlt_le _ _ (pos i J)) C I) as G. fold H N in G.
    rewrite one, <- B, ln_quotient in G by (unfold N; lra). fold L in G.
    replace (N * ((1 - M) / N)) with (1 - M) in G by (field; unfold N; lra).
    unfold BinaryEntropy. replace (1 - (1 - M)) with M by ring. lra.
Qed.

Lemma below_M : forall i, In i l -> a i <= M.
Proof. intros i I. now apply below_largest. Qed.

Lemma H_pos : 0 < H.
Proof.
  destruct largest_mass as [B _]. apply sum_pos.
  - intros E. rewrite E in several. unfold count in several. simpl in several. lra.
  - intros i I. pose proof (pos i I) as P. pose proof (below_M i I) as Q.
    pose proof (ln_increasing (a i) 1 P ltac:(lra)) as U. rewrite ln_1 in U.
    pose proof (Rmult_lt_0_compat (a i) (- ln (a i)) P ltac:(lra)). lra.
Qed.

(** The row of the same entropy with one key above the others. *)
Let excess s := BinaryEntropy s + s * L - H.

Lemma small_excess : forall w, 0 < w < 1 -> excess (w * w) <= w * (3 + L) - H.
Proof.
  intros w W. pose proof L_nonneg as Q. unfold excess, BinaryEntropy. rewrite ln_mult by lra.
  pose proof (Rmult_lt_compat_l w w 1 ltac:(lra) ltac:(lra)) as S. pose proof (Rmult_lt_0_compat w w ltac:(lra) ltac:(lra)) as S0.
  pose proof (gibbs_term w 1 ltac:(lra) Rlt_0_1) as U. pose proof (gibbs_term (1 - w * w) 1 ltac:(lra) Rlt_0_1) as V.
  rewrite ln_1 in U, V. pose proof (Rmult_le_compat_l (2 * w) _ _ ltac:(lra) U) as U2.
  pose proof (Rmult_le_compat_r L (w * w) w Q ltac:(lra)) as K. lra.
Qed.

Lemma same_entropy : exists s, 0 < s <= 1 - M /\ excess s = 0.
Proof.
  destruct largest_mass as (B & _ & F). pose proof L_nonneg as Q. pose proof H_pos as P. set (s1 := 1 - M) in *.
  assert (F' : 0 <= excess s1) by (unfold excess; lra). destruct F' as [F' | F'].
  2: { exists s1. unfold s1 in *. split; lra. }
  set (w := Rmin (H / (4 + L)) (s1 / 2)).
  assert (W0 : 0 < w) by (apply Rmin_glb_lt; [apply Rdiv_lt_0_compat; lra | unfold s1; lra]).
  assert (W1 : w <= s1 / 2) by apply Rmin_r.
  assert (W2 : w * (4 + L) <= H).
  { apply Rle_trans with (H / (4 + L) * (4 + L)); [apply Rmult_le_compat_r; [lra | apply Rmin_l] | apply Req_le; field; lra]. }
  assert (S1 : s1 < 1) by (unfold s1; lra).
  pose proof (small_excess w ltac:(lra)) as E. pose proof (Rmult_lt_compat_l w w 1 W0 ltac:(lra)) as WW.
  destruct (Ranalysis5.IVT_interv excess (w * w) s1) as (s & S & Z); try lra.
  - intros c C. apply derivable_continuous_pt. exists (ln (1 - c) - ln c + L). apply is_derive_Reals.
    pose proof (Rmult_lt_0_compat w w W0 W0). unfold excess, BinaryEntropy. auto_derive; [lra |].
    change (1 + - c) with (1 - c). field. lra.
  - exists s. pose proof (Rmult_lt_0_compat w w W0 W0). split; [lra | exact Z].
Qed.

Lemma variance_below : sum (fun i => a i * (ln (a i) - sum (fun j => a j * ln (a j)) l) ^ 2) l <= L ^ 2 / 4 + 1.
Proof.
  destruct largest_mass as (B & C & _). pose proof L_nonneg as Q. destruct same_entropy as (s & S & Z).
  set (p := 1 - s). set (x0 := s / N). set (y := L - ln s). set (t := ln p + y).
  assert (NP : 0 < N) by (unfold N; lra). assert (P : 0 < p) by (unfold p; lra).
  assert (X0 : 0 < x0) by (apply Rdiv_lt_0_compat; lra).
  assert (Y : exp (- y) = x0).
  { unfold y, x0, L. replace (- (ln N - ln s)) with (ln s - ln N) by ring. rewrite <- ln_quotient by lra. now apply exp_ln. }
  assert (PX : x0 <= p).
  { unfold x0. apply (Rmult_le_reg_r N); [exact NP |]. replace (s / N * N) with s by (field; lra).
    pose proof (Rmult_le_compat_l (count l) M p ltac:(lra) ltac:(unfold p; lra)) as K. unfold N, p in *. lra. }
  assert (T : 0 <= t).
  { apply Rle_trans with (ln x0 + y); [| apply Rplus_le_compat_r, ln_le; lra]. rewrite <- Y, ln_exp. lra. }
  destruct (touching t T) as (e & E0 & E1 & E2). set (u := fun i => ln (a i) + y).
  assert (U : sum (fun i => a i * u i ^ 2) l <= e * (sum (fun i => a i * u i) l - 1 + count l * x0)).
  { apply Rle_trans with (sum (fun i => e * (a i * u i - a i + x0)) l).
    - apply sum_le. intros i I. pose proof (pos i I) as AP. pose proof (below_M i I) as AM.
      assert (UT : u i <= t) by (unfold u, t; apply Rplus_le_compat_r, ln_le; [exact AP | unfold p; lra]).
      pose proof (Rmult_le_compat_l (a i) _ _ (Rlt_le _ _ AP) (E2 (u i) UT)) as K. unfold bend in K.
      replace (exp (- u i)) with (x0 / a i) in K.
      + replace (e * (a i * u i - a i + x0)) with (a i * (e * (u i - 1 + x0 / a i))) by (field; lra). exact K.
      + unfold u. rewrite Ropp_plus_distr, exp_plus, Y, exp_Ropp, exp_ln by exact AP. field. lra.
    - rewrite sum_scale, sum_plus, sum_minus, sum_const, one. lra. }
  set (m := sum (fun j => a j * ln (a j)) l).
  assert (HM : H = - m).
  { unfold H, m. rewrite (sum_ext _ (fun i => -1 * (a i * ln (a i)))) by (intros; ring). rewrite sum_scale. ring. }
  assert (MU : sum (fun i => a i * u i) l = p * t).
  { rewrite (sum_ext _ (fun i => a i * ln (a i) + a i * y)) by (intros; unfold u; ring). rewrite sum_plus, sum_scale_r, one.
    fold m. unfold excess, BinaryEntropy in Z. fold p in Z. unfold t, y. unfold p in *. lra. }
  assert (V : sum (fun i => a i * (ln (a i) - m) ^ 2) l = sum (fun i => a i * u i ^ 2) l - (p * t) ^ 2).
  { assert (MY : p * t = m + y).
    { rewrite <- MU, (sum_ext _ (fun i => a i * ln (a i) + a i * y)) by (intros; unfold u; ring). rewrite sum_plus, sum_scale_r, one. fold m. ring. }
    rewrite (sum_ext _ (fun i => a i * u i ^ 2 - 2 * (p * t) * (a i * u i) + a i * (p * t) ^ 2)).
    - rewrite sum_plus, sum_minus, sum_scale, sum_scale_r, one, MU. ring.
    - intros i _. replace (ln (a i) - m) with (u i - p * t) by (unfold u; rewrite MY; ring). ring. }
  assert (PT : e * (p * t - 1 + count l * x0) = p * t ^ 2).
  { rewrite <- E1. unfold bend. replace (exp (- t)) with (x0 / p).
    - assert (CX : count l * x0 = s + x0) by (unfold x0; replace (count l) with (N + 1) by (unfold N; ring); field; lra).
      rewrite CX. unfold p. field. unfold p in P. lra.
    - unfold t. rewrite Ropp_plus_distr, exp_plus, Y, exp_Ropp, exp_ln by exact P. field. lra. }
  rewrite MU, PT in U. rewrite V. apply Rle_trans with (s * p * t ^ 2).
  { replace (s * p * t ^ 2) with (p * t ^ 2 - (p * t) ^ 2) by (unfold p; ring). lra. }
  set (z := ln p - ln s). replace t with (L + z) by (unfold t, y, z; ring).
  assert (SP : 0 < s * p) by (apply Rmult_lt_0_compat; lra).
  assert (K : s * p * (4 + z ^ 2) <= 1).
  { pose proof (Rmult_le_compat_l (s * p) _ _ (Rlt_le _ _ SP) (cosh_above z)) as K.
    replace (exp z) with (p / s) in K by (unfold z; rewrite <- ln_quotient, exp_ln; trivial; try lra; apply Rdiv_lt_0_compat; lra).
    replace (exp (- z)) with (s / p) in K
      by (unfold z; replace (- (ln p - ln s)) with (ln s - ln p) by ring; rewrite <- ln_quotient, exp_ln; trivial; try lra; apply Rdiv_lt_0_compat; lra).
    replace (s * p * (p / s + s / p)) with (p ^ 2 + s ^ 2) in K by (field; lra). unfold p in *. lra. }
  assert (D : (L + z) ^ 2 <= (L ^ 2 / 4 + 1) * (4 + z ^ 2)) by (pose proof (pow2_ge_0 (L * z / 2 - 2)); lra).
  apply (Rmult_le_compat_l (s * p)) in D; [| lra]. apply (Rmult_le_compat_l (L ^ 2 / 4 + 1)) in K; [lra |].
  pose proof (pow2_ge_0 L). lra.
Qed.
End Variance.

Theorem variance : forall a, possible a -> V a <= (ln (k a + m a - 1)) ^ 2 / 4 + 1.
Proof.
  intros a P. pose proof (m_pos a P) as M. pose proof (k_pos a P) as K.
  assert (C : count (keys a) = k a + m a) by (unfold keys, k, m; rewrite count_app; ring). rewrite <- C.
  apply (variance_below (mass a) (keys a)).
  - intros i _. now apply mass_pos.
  - unfold keys. rewrite sum_app. fold (F a) (epsilon a). now apply F_and_epsilon.
  - lra.
Qed.
