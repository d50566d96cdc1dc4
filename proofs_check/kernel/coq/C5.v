(** C5, extinction by Adam: no coordinate of an update exceeds [c_t], which rises, so a penalty above [sqrt p c_T]
    takes its surplus off the block at every step. *)
Require Import Reals Lra Lia List Arith.
From Localist Require Import Functions Sums Vectors Geometric Adam.
Import ListNotations.
Open Scope R_scope.

Section Facts.
Variable a : run.
Hypothesis P : possible a.
Hypothesis D : beta_1 a ^ 2 < beta_2 a.

Let rho := beta_1 a ^ 2 / beta_2 a.

Lemma betas : 0 <= beta_1 a < 1 /\ 0 < beta_2 a < 1 /\ 0 <= rho < 1 /\ rho * beta_2 a = beta_1 a ^ 2.
Proof.
  destruct P as (_ & _ & _ & _ & B & C). repeat split; try lra.
  - apply Rmult_le_pos; [apply pow2_ge_0 | left; now apply Rinv_0_lt_compat].
  - apply (Rmult_lt_reg_r (beta_2 a)); [lra |]. unfold rho, Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
  - unfold rho. field. lra.
Qed.

(** The square of [reach]: [c_t^2]. *)
Definition square (t : nat) : R := geometric (beta_2 a) t * geometric rho t / geometric (beta_1 a) t ^ 2.

(** The share of a power that is left. *)
Lemma below_1 : forall x t, 0 <= x < 1 -> (0 < t)%nat -> 0 < 1 - x ^ t.
Proof.
  intros x t X T. rewrite <- geometric_closed. apply Rmult_lt_0_compat; [| lra].
  pose proof (geometric_at_least_1 x t ltac:(lra) T). lra.
Qed.

Lemma square_closed : forall t, (0 < t)%nat -> square t =
  (1 - beta_1 a) ^ 2 * (1 - beta_2 a ^ t) * (- (beta_1 a ^ t) ^ 2 / beta_2 a ^ t + 1)
  / ((1 - beta_1 a ^ t) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)).
Proof.
  intros t T. destruct betas as (B & C & Q & E).
  assert (R : - (beta_1 a ^ t) ^ 2 / beta_2 a ^ t + 1 = 1 - rho ^ t).
  { unfold rho, Rdiv. rewrite Rpow_mult_distr, pow_inv. rewrite <- !pow_mult, (Nat.mul_comm 2). lra. }
  rewrite R. replace (- (beta_1 a) ^ 2 / beta_2 a + 1) with (1 - rho) by (unfold rho, Rdiv; ring).
  rewrite <- !geometric_closed. unfold square.
  pose proof (geometric_at_least_1 (beta_1 a) t ltac:(lra) T). field. repeat split; lra.
Qed.

Lemma square_least : forall t, (0 < t)%nat -> 1 <= square t.
Proof.
  intros t T. destruct betas as (B & C & Q & E).
  assert (L : geometric (beta_1 a) t ^ 2 <= geometric (beta_2 a) t * geometric rho t).
  { clear T. induction t as [| t I]; [unfold geometric; simpl; lra |]. rewrite !geometric_S.
    pose proof (one_more (beta_1 a) (beta_2 a) rho (geometric (beta_1 a) t) (geometric (beta_2 a) t) (geometric rho t) 1) as O.
    rewrite (Rmult_comm (beta_2 a * _ + 1)). rewrite pow1 in O.
    apply O; try lra; try (apply geometric_nonneg; lra). }
  pose proof (geometric_at_least_1 (beta_1 a) t ltac:(lra) T) as G.
  assert (H : 0 < geometric (beta_1 a) t ^ 2) by (apply pow_lt; lra).
  unfold square. apply (Rmult_le_reg_r (geometric (beta_1 a) t ^ 2)); [exact H |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** Roots of [beta_2] and [rho], whose product is [beta_1]. *)
Lemma roots : exists x y, 0 <= x <= 1 /\ 0 <= y <= 1 /\ x ^ 2 = beta_2 a /\ y ^ 2 = rho /\ x * y = beta_1 a.
Proof.
  destruct betas as (B & C & Q & E). exists (sqrt (beta_2 a)), (sqrt rho).
  assert (S : forall z, 0 <= z < 1 -> 0 <= sqrt z <= 1).
  { intros z Z. split; [apply sqrt_pos |]. rewrite <- sqrt_1. apply sqrt_le_1_alt. lra. }
  repeat split; try apply S; try lra; try (rewrite <- Rsqr_pow2; apply Rsqr_sqrt; lra).
  rewrite <- sqrt_mult by lra. rewrite Rmult_comm, E, <- Rsqr_pow2. apply sqrt_Rsqr. lra.
Qed.

Lemma square_rises : forall t, (0 < t)%nat -> square t <= square (S t).
Proof.
  intros t T. destruct betas as (B & C & Q & _). destruct roots as (x & y & X & Y & E2 & Er & E1).
  pose proof (gap_square_falls x y t X Y) as G. rewrite E1 in G.
  set (c := beta_1 a ^ t) in *.
  assert (V : forall s, (1 - beta_2 a ^ s) * (1 - rho ^ s) = (1 - beta_1 a ^ s) ^ 2 - (x ^ s - y ^ s) ^ 2).
  { intros s. rewrite <- E2, <- Er, <- E1, Rpow_mult_distr, <- !pow_mult, !(Nat.mul_comm 2), !pow_mult. ring. }
  pose proof (V t) as V0. pose proof (V (S t)) as V1. fold c in V0.
  replace (beta_1 a ^ S t) with (beta_1 a * c) in V1 by reflexivity.
  replace (x ^ S t - y ^ S t) with (x * x ^ t - y * y ^ t) in V1 by reflexivity.
  pose proof (below_1 (beta_1 a) t B T) as N0. pose proof (below_1 (beta_1 a) (S t) B ltac:(lia)) as N1.
  change (beta_1 a ^ S t) with (beta_1 a * c) in N1. fold c in N0.
  assert (F : forall s, (0 < s)%nat -> square s = (1 - beta_1 a) ^ 2 / ((1 - beta_2 a) * (1 - rho))
                         * ((1 - beta_2 a ^ s) * (1 - rho ^ s) / (1 - beta_1 a ^ s) ^ 2)).
  { intros s W. rewrite <- !geometric_closed. unfold square. pose proof (geometric_at_least_1 (beta_1 a) s ltac:(lra) W).
    field. repeat split; lra. }
  rewrite !F by lia. apply Rmult_le_compat_l.
  - apply Rmult_le_pos; [apply pow2_ge_0 | left; apply Rinv_0_lt_compat, Rmult_lt_0_compat; lra].
  - rewrite V0, V1. change (beta_1 a ^ S t) with (beta_1 a * c). fold c.
    assert (S0 : 0 < (1 - c) ^ 2) by now apply pow_lt. assert (S1 : 0 < (1 - beta_1 a * c) ^ 2) by now apply pow_lt.
    apply (Rmult_le_reg_r ((1 - c) ^ 2 * (1 - beta_1 a * c) ^ 2)); [now apply Rmult_lt_0_compat |].
    replace (((1 - c) ^ 2 - (x ^ t - y ^ t) ^ 2) / (1 - c) ^ 2 * ((1 - c) ^ 2 * (1 - beta_1 a * c) ^ 2)) with
      ((1 - c) ^ 2 * (1 - beta_1 a * c) ^ 2 - (x ^ t - y ^ t) ^ 2 * (1 - beta_1 a * c) ^ 2) by (field; lra).
    replace (((1 - beta_1 a * c) ^ 2 - (x * x ^ t - y * y ^ t) ^ 2) / (1 - beta_1 a * c) ^ 2
             * ((1 - c) ^ 2 * (1 - beta_1 a * c) ^ 2)) with
      ((1 - c) ^ 2 * (1 - beta_1 a * c) ^ 2 - (x * x ^ t - y * y ^ t) ^ 2 * (1 - c) ^ 2) by (field; lra).
    lra.
Qed.

Lemma square_largest : forall t n, (0 < t)%nat -> square t <= square (t + n).
Proof.
  intros t n T. induction n as [| n I]; [rewrite Nat.add_0_r; lra |].
  rewrite Nat.add_succ_r. pose proof (square_rises (t + n) ltac:(lia)). lra.
Qed.

(** The mean gradient against the mean square. *)
Lemma mean_bound : forall t i, 0 <= mean_square a t i /\
  (1 - beta_2 a) * mean_gradient a t i ^ 2 <= (1 - beta_1 a) ^ 2 * (geometric rho t * mean_square a t i).
Proof.
  intros t i. destruct betas as (B & C & Q & E).
  set (M := fun t => mean_gradient a t i / (1 - beta_1 a)). set (V := fun t => mean_square a t i / (1 - beta_2 a)).
  assert (H : 0 <= V t /\ M t ^ 2 <= geometric rho t * V t).
  { induction t as [| t [N I]]; [unfold M, V, geometric; simpl; split; lra |].
    assert (VS : V (S t) = beta_2 a * V t + gradient a (S t) i ^ 2) by (unfold V; simpl mean_square; field; lra).
    assert (MS : M (S t) = beta_1 a * M t + gradient a (S t) i) by (unfold M; simpl mean_gradient; field; lra).
    rewrite VS, MS, geometric_S. split.
    - apply Rplus_le_le_0_compat; [apply Rmult_le_pos; lra | apply pow2_ge_0].
    - apply one_more; trivial; try lra. apply geometric_nonneg. lra. }
  assert (EV : mean_square a t i = V t * (1 - beta_2 a)) by (unfold V; field; lra).
  assert (EM : mean_gradient a t i = M t * (1 - beta_1 a)) by (unfold M; field; lra).
  destruct H as [N I]. rewrite EV, EM. split; [apply Rmult_le_pos; lra |].
  replace ((1 - beta_2 a) * (M t * (1 - beta_1 a)) ^ 2) with ((1 - beta_2 a) * (1 - beta_1 a) ^ 2 * M t ^ 2) by ring.
  replace ((1 - beta_1 a) ^ 2 * (geometric rho t * (V t * (1 - beta_2 a)))) with
    ((1 - beta_2 a) * (1 - beta_1 a) ^ 2 * (geometric rho t * V t)) by ring.
  apply Rmult_le_compat_l; [| exact I]. apply Rmult_le_pos; [lra | apply pow2_ge_0].
Qed.

Lemma divisor_above : forall t i, mean_square a t i <= divisor a t i.
Proof.
  intros t i. unfold divisor. destruct (amsgrad a); [| lra]. destruct t as [| t]; [simpl; lra | apply Rmax_r].
Qed.

Lemma update_bound : forall t i, (0 < t)%nat -> update a t i ^ 2 <= square t.
Proof.
  intros t i T. destruct betas as (B & C & Q & E). pose proof (square_least t T) as L.
  destruct (mean_bound t i) as [N I]. pose proof (divisor_above t i) as A.
  pose proof (below_1 (beta_1 a) t B T) as N1. pose proof (below_1 (beta_2 a) t ltac:(lra) T) as N2.
  unfold update. set (m := mean_gradient a t i) in *. set (v := mean_square a t i) in *. set (d := divisor a t i) in *.
  destruct (Req_dec m 0) as [Z | Z]; [rewrite Z; unfold Rdiv; rewrite !Rmult_0_l; simpl; lra |].
  assert (M : 0 < (1 - beta_2 a) * m ^ 2).
  { apply Rmult_lt_0_compat; [lra |]. rewrite <- Rsqr_pow2. now apply Rsqr_pos_lt. }
  assert (W : 0 < v) by (destruct N as [N | N]; [exact N | rewrite <- N, !Rmult_0_r in I; lra]).
  assert (K : 0 < d / (1 - beta_2 a ^ t)) by (apply Rdiv_lt_0_compat; lra).
  pose proof (sqrt_lt_R0 _ K) as R. assert (0 <= stabiliser a) as S by now destruct P as (_ & _ & S & _).
  set (r := sqrt (d / (1 - beta_2 a ^ t))) in *.
  assert (RR : r ^ 2 = d / (1 - beta_2 a ^ t)) by (rewrite <- Rsqr_pow2; apply Rsqr_sqrt; lra).
  assert (V : v / (1 - beta_2 a ^ t) <= (r + stabiliser a) ^ 2).
  { apply Rle_trans with (r ^ 2); [| apply pow_incr; lra]. rewrite RR. apply Rmult_le_compat_r; [| exact A].
    left. now apply Rinv_0_lt_compat. }
  assert (V0 : 0 < v / (1 - beta_2 a ^ t)) by now apply Rdiv_lt_0_compat.
  replace ((m / (1 - beta_1 a ^ t) / (r + stabiliser a)) ^ 2) with (m ^ 2 / (1 - beta_1 a ^ t) ^ 2 / (r + stabiliser a) ^ 2)
    by (field; lra).
  apply Rle_trans with (m ^ 2 / (1 - beta_1 a ^ t) ^ 2 / (v / (1 - beta_2 a ^ t))).
  - apply Rmult_le_compat_l; [| now apply Rinv_le_contravar].
    apply Rmult_le_pos; [apply pow2_ge_0 | left; now apply Rinv_0_lt_compat, pow_lt].
  - unfold square. pose proof (geometric_closed (beta_1 a) t) as G1. pose proof (geometric_closed (beta_2 a) t) as G2.
    rewrite <- G1, <- G2. pose proof (geometric_at_least_1 (beta_1 a) t ltac:(lra) T).
    pose proof (geometric_at_least_1 (beta_2 a) t ltac:(lra) T). set (g1 := geometric (beta_1 a) t) in *.
    set (g2 := geometric (beta_2 a) t) in *. set (gr := geometric rho t) in *.
    replace (m ^ 2 / (g1 * (1 - beta_1 a)) ^ 2 / (v / (g2 * (1 - beta_2 a)))) with
      ((1 - beta_2 a) * m ^ 2 * (g2 / (g1 ^ 2 * (1 - beta_1 a) ^ 2 * v))) by (field; repeat split; lra).
    replace (g2 * gr / g1 ^ 2) with ((1 - beta_1 a) ^ 2 * (gr * v) * (g2 / (g1 ^ 2 * (1 - beta_1 a) ^ 2 * v)))
      by (field; repeat split; lra).
    apply Rmult_le_compat_r; [| exact I]. left. apply Rdiv_lt_0_compat; [lra |].
    repeat apply Rmult_lt_0_compat; try (apply pow_lt); lra.
Qed.

Lemma updates_length : forall t, (0 < t)%nat -> length a (update a t) <= sqrt (p a) * reach a t.
Proof.
  intros t T. pose proof (square_least t T) as L. unfold reach. fold rho (square t).
  unfold length, norm, p. rewrite <- sqrt_mult by (try apply pos_INR; lra). apply sqrt_le_1_alt.
  rewrite <- (seq_length (size a) 0) at 2. apply sum_below. intros i _. now apply update_bound.
Qed.

Lemma length_nonneg : forall x, 0 <= length a x.
Proof. intros x. apply norm_nonneg. Qed.

(** What the proximal map leaves of a norm. *)
Lemma shrunk_length : forall t x, 0 <= t -> length a (shrunk a t x) = Rmax 0 (length a x - t).
Proof.
  intros t x T. unfold shrunk. destruct (Rle_dec (length a x) t) as [L | L].
  - rewrite Rmax_left by lra. unfold length, norm. rewrite (sum_ext _ (fun _ => 0)) by (intros; ring).
    rewrite sum_const, Rmult_0_r. apply sqrt_0.
  - unfold length at 1. rewrite norm_scale. fold (length a x). pose proof (length_nonneg x).
    replace (1 - t / length a x) with ((length a x - t) / length a x) by (field; lra).
    rewrite Rabs_pos_eq, Rmax_right by (try (apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat]); lra).
    field. lra.
Qed.

Hypothesis W : bounded_decay a.

Lemma moved_length : forall t x, (1 <= t <= steps a)%nat ->
  length a (moved a t x) <= Rmax 0 (length a x - rate a t * (lambda_g a - sqrt (p a) * reach a t)).
Proof.
  intros t x T. pose proof (W t T) as B. destruct P as (_ & R & _ & L & _). pose proof (R t) as E. unfold moved.
  rewrite shrunk_length by (apply Rmult_le_pos; lra).
  assert (S : length a (fun i => (1 - rate a t * decay a) * x i - rate a t * update a t i)
              <= length a x + rate a t * (sqrt (p a) * reach a t)).
  { replace (fun i => (1 - rate a t * decay a) * x i - rate a t * update a t i)
      with (fun i => (1 - rate a t * decay a) * x i + - rate a t * update a t i)
      by (apply FunctionalExtensionality.functional_extensionality; intros i; ring).
    eapply Rle_trans; [apply (minkowski (fun i => (1 - rate a t * decay a) * x i) (fun i => - rate a t * update a t i)) |].
    rewrite !norm_scale, Rabs_Ropp, !Rabs_pos_eq by lra. fold (length a x) (length a (update a t)).
    pose proof (updates_length t ltac:(lia)) as U. apply (Rmult_le_compat_l (rate a t)) in U; [| exact E].
    pose proof (Rmult_le_compat_r (length a x) _ 1 (length_nonneg x) (ltac:(lra) : 1 - rate a t * decay a <= 1)). lra. }
  apply Rmax_lub; [apply Rmax_l |]. eapply Rle_trans; [| apply Rmax_r]. lra.
Qed.

(** The steps take their amounts off, down to zero, where the penalty covers them all. *)
Lemma state_length : (forall t, (1 <= t <= steps a)%nat -> sqrt (p a) * reach a t <= lambda_g a) -> forall t, (t <= steps a)%nat ->
  length a (state a t) <= Rmax 0 (w_0 a - sum (fun t =>
    if (t <=? warmup a)%nat then 0 else rate a t * (lambda_g a - sqrt (p a) * reach a t)) (seq 1 t)).
Proof.
  intros C t. induction t as [| t I]; intros T.
  - simpl. eapply Rle_trans; [| apply Rmax_r]. unfold w_0. lra.
  - specialize (I ltac:(lia)). rewrite seq_S, sum_app. cbn [state sum Nat.add].
    set (done := sum _ (seq 1 t)) in *. destruct (S t <=? warmup a)%nat; [now rewrite Rplus_0_r, Rplus_0_r |].
    pose proof (moved_length (S t) (state a t) ltac:(lia)) as M. pose proof (C (S t) ltac:(lia)) as N.
    assert (0 <= rate a (S t)) as E by (destruct P as (_ & R & _); apply R).
    pose proof (Rmult_le_pos _ _ E (ltac:(lra) : 0 <= lambda_g a - sqrt (p a) * reach a (S t))) as K.
    set (k := rate a (S t) * _) in *. eapply Rle_trans; [exact M |]. apply Rmax_lub; [apply Rmax_l |].
    unfold Rmax in I |- *. repeat destruct Rle_dec; lra.
Qed.
End Facts.

(** [c_T^2]. *)
Definition largest_square (a : run) : R :=
  (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
  / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)).

Lemma largest_square_is : forall a, possible a -> beta_1 a ^ 2 < beta_2 a -> largest_square a = square a (steps a).
Proof. intros a P D. symmetry. apply square_closed; trivial. now destruct P. Qed.

Theorem least : forall a, possible a -> beta_1 a ^ 2 < beta_2 a -> bounded_decay a ->
  (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
  / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)) >= 1.
Proof.
  intros a P D _. fold (largest_square a). rewrite largest_square_is by trivial. apply Rle_ge, square_least; trivial.
  now destruct P.
Qed.

Theorem update : forall a, possible a -> beta_1 a ^ 2 < beta_2 a -> bounded_decay a ->
  (u_t a) ^ 2 <= (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
  / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)).
Proof.
  intros a P D _. fold (largest_square a). rewrite largest_square_is by trivial. assert (T : (0 < steps a)%nat) by now destruct P.
  unfold u_t. destruct (seq 0 (size a)) as [| i rest] eqn:E.
  - pose proof (square_least a P D (steps a) T). simpl. lra.
  - destruct (largest_attained (fun i => Rabs (Adam.update a (steps a) i)) (i :: rest)) as (j & _ & ->); [discriminate |].
    rewrite pow2_abs. now apply update_bound.
Qed.

Theorem limit : forall a, possible a -> beta_1 a ^ 2 < beta_2 a -> bounded_decay a ->
  (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
  / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1))
  <= (1 - beta_1 a) ^ 2 / ((1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)).
Proof.
  intros a P D _. fold (largest_square a). rewrite largest_square_is by trivial. assert (T : (0 < steps a)%nat) by now destruct P.
  destruct (betas a P D) as (B & C & Q & E). set (rho := beta_1 a ^ 2 / beta_2 a) in *.
  replace (- (beta_1 a) ^ 2 / beta_2 a + 1) with (1 - rho) by (unfold rho, Rdiv; ring).
  unfold square. fold rho. pose proof (geometric_at_least_1 (beta_1 a) (steps a) ltac:(lra) T) as G.
  pose proof (geometric_closed (beta_2 a) (steps a)) as E2. pose proof (geometric_closed rho (steps a)) as Er.
  pose proof (geometric_closed (beta_1 a) (steps a)) as E1. destruct (roots a P D) as (x & y & _ & _ & X & Y & XY).
  assert (L : (1 - beta_2 a ^ steps a) * (1 - rho ^ steps a) <= (1 - beta_1 a ^ steps a) ^ 2).
  { fold rho in Y. rewrite <- X, <- Y, <- XY, Rpow_mult_distr, <- !pow_mult, !(Nat.mul_comm 2), !pow_mult.
    pose proof (pow2_ge_0 (x ^ steps a - y ^ steps a)). lra. }
  rewrite <- E1, <- E2, <- Er in L. set (g1 := geometric (beta_1 a) (steps a)) in *.
  apply (Rmult_le_reg_r (g1 ^ 2 * ((1 - beta_2 a) * (1 - rho)))).
  - apply Rmult_lt_0_compat; [apply pow_lt; lra | apply Rmult_lt_0_compat; lra].
  - match goal with |- ?l <= ?r => replace r with (g1 ^ 2 * (1 - beta_1 a) ^ 2) by (field; lra);
      replace l with (geometric (beta_2 a) (steps a) * geometric rho (steps a) * ((1 - beta_2 a) * (1 - rho))) by (field; lra) end.
    lra.
Qed.

Theorem extinct : forall a, possible a -> beta_1 a ^ 2 < beta_2 a -> bounded_decay a ->
  gamma_T a >= w_0 a /\ (lambda_g a) ^ 2 >= p a * (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
  / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1)) -> w_T a = 0.
Proof.
  intros a P D W [N L]. apply Rle_antisym; [| apply length_nonneg].
  replace (p a * (1 - beta_1 a) ^ 2 * (1 - beta_2_t a) * (- (beta_1_t a) ^ 2 / beta_2_t a + 1)
    / ((1 - beta_1_t a) ^ 2 * (1 - beta_2 a) * (- (beta_1 a) ^ 2 / beta_2 a + 1))) with (p a * largest_square a) in L
    by (unfold largest_square, Rdiv; ring).
  rewrite largest_square_is in L by trivial. unfold w_T. eapply Rle_trans.
  - apply (state_length a P D W); [| apply Nat.le_refl]. intros t T. pose proof (square_least a P D t ltac:(lia)) as S.
    pose proof (square_largest a P D t (steps a - t) ltac:(lia)) as M. replace (t + (steps a - t))%nat with (steps a) in M by lia.
    unfold reach. fold (square a t). rewrite <- sqrt_mult by (try apply pos_INR; lra).
    assert (G : 0 < lambda_g a) by now destruct P as (_ & _ & _ & G & _).
    rewrite <- (sqrt_pow2 (lambda_g a)) by lra. apply sqrt_le_1_alt.
    pose proof (Rmult_le_compat_l (p a) _ _ (pos_INR _) M). lra.
  - fold (gamma_T a). rewrite Rmax_left; lra.
Qed.

Lemma some_instance : exists a, possible a /\ beta_1 a ^ 2 < beta_2 a /\ bounded_decay a.
Proof.
  exists (Run 1 (fun _ => 1) 1 (fun _ _ => 0) (fun _ => 1) 1 0 (1 / 2) 0 0 false 0). unfold possible, bounded_decay. simpl.
  repeat split; intros; try lra; try apply Nat.lt_0_1.
Qed.
