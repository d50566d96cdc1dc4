(** A5, entropy below: the range-deficit law. A row's entropy is that of its logits over the range they span, which two
    levels make least; the closed forms bound the deficit of two levels, whatever their shares. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Row RowFacts Entropy Lowest Lambert Levels B2.
From Localist Require A1.
Import ListNotations.
Open Scope R_scope.

(** Entropy of softmax over part of the keys. *)
Definition entropy_in (a : row) (l : list key) : R :=
  sum (fun i => surprise (boltzmann a i / sum (boltzmann a) l)) l.

(** The logits of some keys, over the temperature, from a lower end. *)
Definition logits (a : row) (low : R) (l : list key) : list R := map (fun i => score i / tau a - low) l.

(** It does not depend on where the logits are counted from. *)
Lemma entropy_in_is : forall a low l r, l <> [] -> entropy_in a l = entropy_of r 0 0 (logits a low l).
Proof.
  intros a low l r N. unfold entropy_in, entropy_of, logits. simpl. rewrite !sum_map.
  set (z := sum (boltzmann a) l).
  assert (Z : 0 < z) by (apply sum_pos; [exact N | intros; apply exp_pos]). pose proof (exp_pos (- low)) as X.
  assert (E : forall i, exp (score i / tau a - low) = boltzmann a i * exp (- low)).
  { intros i. unfold boltzmann. rewrite <- exp_plus. f_equal. }
  rewrite (sum_ext _ (fun i => boltzmann a i * exp (- low)) l (fun i _ => E i)), sum_scale_r. fold z.
  rewrite (sum_ext (fun i => (score i / tau a - low) * exp (score i / tau a - low))
    (fun i => score i / tau a * boltzmann a i * exp (- low) - low * exp (- low) * boltzmann a i) l)
    by (intros; rewrite E; ring).
  rewrite sum_minus, sum_scale_r, sum_scale. fold z.
  rewrite (sum_ext _ (fun i => boltzmann a i * (ln z / z) - score i / tau a * boltzmann a i * / z) l).
  - rewrite sum_minus, !sum_scale_r. fold z.
    replace (0 * exp r + 0 + z * exp (- low)) with (z * exp (- low)) by ring. rewrite ln_mult, ln_exp by trivial.
    field. lra.
  - intros i _. unfold surprise. rewrite ln_quotient by (trivial; apply exp_pos). unfold boltzmann at 2. rewrite ln_exp.
    set (x := score i / tau a). field. lra.
Qed.

Section Range.
Variable a : row.
Hypothesis P : possible a.

Definition low : R := least score (keys a) / tau a.

Lemma keys_not_empty : keys a <> [].
Proof. unfold keys. pose proof (block_not_empty a P). now destruct (block a). Qed.

(** Every logit lies within the range from the least. *)
Lemma logit_inside : forall l t, (forall i, In i l -> In i (keys a)) -> In t (logits a low l) -> 0 <= t <= r a.
Proof.
  intros l t S I. apply in_map_iff in I as (i & <- & I). apply S in I.
  pose proof (over_tau_le a P _ _ (above_least score (keys a) i I)).
  pose proof (over_tau_le a P _ _ (below_largest score (keys a) i I)).
  unfold low, r, Rdiv in *. lra.
Qed.

Lemma range_nonneg : 0 <= r a.
Proof.
  pose proof (Delta_le_top a P). pose proof (top_le_range a P). destruct (keys a) as [| i l] eqn:E; [now apply keys_not_empty in E |].
  pose proof (logit_inside [i] (score i / tau a - low)) as B. rewrite E in B.
  specialize (B ltac:(intros j [<- | []]; simpl; auto) ltac:(simpl; auto)). lra.
Qed.

(** The finite bound on any part of the keys. *)
Lemma part_above : forall l, l <> [] -> (forall i, In i l -> In i (keys a)) ->
  LowestEntropy (count l) (r a) <= entropy_in a l.
Proof.
  intros l N S. rewrite (entropy_in_is a low l (r a) N).
  replace (count l) with (count (logits a low l)) by (unfold count, logits; now rewrite map_length).
  apply at_least_lowest; [unfold logits; now destruct l | apply range_nonneg |].
  intros t T. now apply (logit_inside l).
Qed.

Lemma H_is : H a = entropy_in a (keys a).
Proof. reflexivity. Qed.

Lemma H_B_in : H_B a = entropy_in a (block a).
Proof.
  apply sum_ext. intros i _. f_equal. rewrite mass_is, F_is. fold (Z_B a).
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). field. lra.
Qed.

Lemma H_C_in : H_C a = entropy_in a (others a).
Proof.
  apply sum_ext. intros i _. f_equal. rewrite mass_is, epsilon_is. fold (Z_C a).
  pose proof (Z_B_pos a P). pose proof (Z_C_pos a P). field. lra.
Qed.

Lemma count_keys : count (keys a) = k a + m a.
Proof. unfold keys. rewrite count_app. unfold k, m. ring. Qed.

(** Some two-level row has no more entropy. *)
Lemma two_levels : exists n top, INR n = k a + m a /\ (top <= n)%nat /\ (0 < n)%nat /\ with_top n top (r a) <= H a.
Proof.
  exists (length (keys a)). destruct (all_moved (r a) (logits a low (keys a)) 0 0 range_nonneg) as (j & J & E).
  - intros t T. now apply (logit_inside (keys a)).
  - unfold logits in J, E. rewrite map_length in J, E. fold (logits a low (keys a)) in E. simpl in J, E.
    rewrite <- (entropy_in_is a low (keys a) (r a) keys_not_empty), <- H_is in E.
    exists j. repeat split; trivial; [apply count_keys |]. pose proof keys_not_empty. destruct (keys a); [congruence | simpl; lia].
Qed.
End Range.

Theorem finite : forall a, possible a -> H a >= LowestEntropy (k a + m a) (r a).
Proof.
  intros a P. rewrite <- count_keys, H_is. apply Rle_ge, part_above; trivial. now apply keys_not_empty.
Qed.

(** The tilt [z = r/(1 - e^-r)] exceeds 1, and [r]. *)
Definition tilt (r : R) : R := r / (1 - exp (- r)).

Lemma tilt_facts : forall r, 0 < r -> 0 < 1 - exp (- r) /\ 1 <= tilt r /\ r - tilt r = - tilt r * exp (- r) /\ tilt r - r <= 1.
Proof.
  intros r R. pose proof (exp_increasing (- r) 0 ltac:(lra)) as E. rewrite exp_0 in E.
  pose proof (exp_ineq1_le (- r)) as L. pose proof (exp_ineq1_le r) as U.
  assert (D : 0 < 1 - exp (- r)) by lra. unfold tilt. split; [exact D |]. split; [| split].
  - apply (Rmult_le_reg_r (1 - exp (- r))); [exact D |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
  - field. lra.
  - replace (r / (1 - exp (- r)) - r) with (r * exp (- r) / (1 - exp (- r))) by (field; lra).
    apply (Rmult_le_reg_r (1 - exp (- r))); [exact D |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l by lra.
    assert (X : exp r * exp (- r) = 1) by (rewrite <- exp_plus, Rplus_opp_r; apply exp_0).
    pose proof (Rmult_le_compat_r (exp (- r)) _ _ ltac:(left; apply exp_pos) U). lra.
Qed.

(** The deficit of two levels, whatever their shares: [log] lies below its tangent at 1. *)
Lemma with_top_deficit : forall n top r, (top <= n)%nat -> (0 < n)%nat -> 0 < r ->
  ln (INR n) - with_top n top r <= tilt r - ln (tilt r) - 1.
Proof.
  intros n top r T N R. destruct (tilt_facts r R) as (D & Z & _). apply le_INR in T. apply lt_0_INR in N.
  pose proof (pos_INR top) as P. pose proof (exp_increasing 0 r R) as E. rewrite exp_0 in E.
  set (y := 1 + INR top / INR n * (exp r - 1)).
  assert (Q : 0 <= INR top / INR n) by (apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]).
  assert (Y : 1 <= y) by (unfold y; pose proof (Rmult_le_pos _ (exp r - 1) Q ltac:(lra)); lra).
  assert (W : INR top * exp r + (INR n - INR top) = INR n * y) by (unfold y; field; lra).
  assert (G : r * INR top * exp r / (INR n * y) = tilt r * (1 - 1 / y)).
  { replace (INR top) with (INR n * (y - 1) / (exp r - 1)) by (unfold y; field; lra).
    unfold tilt. rewrite exp_Ropp. field. repeat split; lra. }
  unfold with_top. rewrite W, G, ln_mult by lra.
  pose proof (ln_below_tangent (tilt r / y) ltac:(apply Rdiv_lt_0_compat; lra)) as B.
  rewrite ln_quotient in B by lra. unfold Rdiv in *. lra.
Qed.

Theorem dimension_free : forall a, possible a -> r a > 0 ->
  - H a + ln (k a + m a) <= r a / (1 - exp (- r a)) - ln (r a / (1 - exp (- r a))) - 1.
Proof.
  intros a P R. destruct (two_levels a P) as (n & top & <- & T & N & L). fold (tilt (r a)).
  pose proof (with_top_deficit n top (r a) T N R). lra.
Qed.

Theorem quadratic : forall a, possible a -> - H a + ln (k a + m a) <= (r a) ^ 2 / 8.
Proof.
  intros a P. destruct (two_levels a P) as (n & top & <- & T & N & L).
  pose proof (with_top_cost n top (r a) T N (range_nonneg a P)). lra.
Qed.

Theorem law_below_quadratic : forall a, possible a -> r a > 0 ->
  r a / (1 - exp (- r a)) - ln (r a / (1 - exp (- r a))) - 1 <= (r a) ^ 2 / 8.
Proof.
  intros a _ R. fold (tilt (r a)). destruct (tilt_facts (r a) R) as (D & Z & B & U). set (z := tilt (r a)) in *.
  pose proof (exp_increasing 0 (r a) R) as E. rewrite exp_0 in E. pose proof (exp_ineq1_le (r a)) as V.
  (* The share of keys at the upper level at which the law is attained. *)
  set (p := (z - 1) / (exp (r a) - 1)).
  assert (Q : 0 <= p <= 1).
  { unfold p. split; [apply Rmult_le_pos; [lra | left; apply Rinv_0_lt_compat; lra] |].
    apply (Rmult_le_reg_r (exp (r a) - 1)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  assert (Y : p * exp (r a) + (1 - p) = z) by (unfold p; field; lra).
  pose proof (share_cost p (r a) Q ltac:(lra)) as C. rewrite Y in C.
  assert (G : r a * (p * exp (r a)) / z = z - 1).
  { unfold p. assert (X : r a * exp (r a) = z * (exp (r a) - 1)).
    { unfold z, tilt. rewrite exp_Ropp. field. split; [lra |]. pose proof (exp_pos (r a)). lra. }
    replace (r a * ((z - 1) / (exp (r a) - 1) * exp (r a)) / z) with (r a * exp (r a) * (z - 1) / ((exp (r a) - 1) * z)) by (field; lra).
    rewrite X. field. lra. }
  rewrite G in C. lra.
Qed.

Theorem range_needed : forall a, possible a -> r a > 0 ->
  r a >= LambertW_0 (- (exp (H a - 1) / (k a + m a))) - LambertW_m1 (- (exp (H a - 1) / (k a + m a))).
Proof.
  intros a P R. destruct (tilt_facts (r a) R) as (D & Z & B & U).
  pose proof (m_pos a P) as M1. pose proof (k_pos a P) as K1.
  assert (X : exp (H a - 1) / (k a + m a) = exp (- (1 + (- H a + ln (k a + m a))))).
  { replace (- (1 + (- H a + ln (k a + m a)))) with (H a - 1 + - ln (k a + m a)) by ring.
    rewrite exp_plus, exp_Ropp, exp_ln by lra. reflexivity. }
  (* Both branches at the law's own deficit are known: [r - z] and [-z]. *)
  assert (T : tilt (r a) * exp (- tilt (r a)) = exp (- (1 + (tilt (r a) - ln (tilt (r a)) - 1)))).
  { replace (- (1 + (tilt (r a) - ln (tilt (r a)) - 1))) with (ln (tilt (r a)) + - tilt (r a)) by ring.
    rewrite exp_plus, exp_ln by lra. reflexivity. }
  assert (L : - (exp (H a - 1) / (k a + m a)) <= - tilt (r a) * exp (- tilt (r a))).
  { replace (- tilt (r a) * exp (- tilt (r a))) with (- (tilt (r a) * exp (- tilt (r a)))) by ring.
    rewrite X, T. apply Ropp_le_contravar, exp_le. pose proof (dimension_free a P R) as S. fold (tilt (r a)) in S. lra. }
  assert (E : - exp (-1) <= - (exp (H a - 1) / (k a + m a))).
  { rewrite X. apply Ropp_le_contravar, exp_le.
    pose proof (below_levels_apart a P 0) as Q. rewrite Ropp_0, exp_0 in Q.
    replace (k a * 1 + m a) with (k a + m a) in Q by ring. lra. }
  pose proof (LambertW_m1_above _ (- tilt (r a)) ltac:(lra) L) as M.
  assert (V : (r a - tilt (r a)) * exp (r a - tilt (r a)) = - tilt (r a) * exp (- tilt (r a))).
  { rewrite B at 1. unfold Rminus. rewrite exp_plus. rewrite !exp_Ropp. field.
    split; apply Rgt_not_eq, exp_pos. }
  rewrite <- V in L. pose proof (LambertW_0_below _ (r a - tilt (r a)) E ltac:(lra) L). lra.
Qed.

Theorem block_form : forall a, possible a ->
  H a >= Rmin ((1 - Logistic (- d a - ln (m a / k a))) * LowestEntropy (m a) (r a)
               + BinaryEntropy (1 - Logistic (- d a - ln (m a / k a)))
               + Logistic (- d a - ln (m a / k a)) * LowestEntropy (k a) (r a))
              ((1 - Logistic (r a + ln (m a / k a))) * LowestEntropy (k a) (r a)
               + BinaryEntropy (Logistic (r a + ln (m a / k a)))
               + Logistic (r a + ln (m a / k a)) * LowestEntropy (m a) (r a)).
Proof.
  intros a P. set (x := LowestEntropy (m a) (r a)). set (y := LowestEntropy (k a) (r a)).
  set (p := 1 - Logistic (- d a - ln (m a / k a))). set (q := Logistic (r a + ln (m a / k a))).
  replace (Logistic (- d a - ln (m a / k a))) with (1 - p) by (unfold p; ring).
  (* The fidelity lies between the two ends. *)
  assert (A : p <= F a).
  { unfold p. pose proof (epsilon_below a P (d a)) as E. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P).
    pose proof (F_and_epsilon a P). specialize (E ltac:(lra)). lra. }
  assert (B : F a <= q).
  { unfold q. replace (F a) with (Logistic (Delta a + ln (m a / k a))).
    - apply logistic_le. pose proof (Delta_le_top a P). pose proof (top_le_range a P). lra.
    - rewrite <- (A1.identity a P). apply logistic_logit. now apply F_inside. }
  assert (I : 0 < p < 1) by (unfold p; pose proof (logistic_inside (- d a - ln (m a / k a))); lra).
  assert (J : 0 < q < 1) by (apply logistic_inside).
  (* Entropy is at least that of the lowest conditionals, concave in the fidelity. *)
  assert (X : x <= H_B a).
  { rewrite H_B_in by trivial. apply part_above; trivial; [now apply block_not_empty |]. intros i K. apply in_or_app. auto. }
  assert (Y : y <= H_C a).
  { rewrite H_C_in by trivial. apply part_above; trivial; [now apply others_not_empty |]. intros i K. apply in_or_app. auto. }
  assert (G : mixed (F a) x y <= H a).
  { rewrite H_is_mixed by trivial. unfold mixed. pose proof (F_inside a P).
    pose proof (Rmult_le_compat_l (F a) _ _ ltac:(lra) X). pose proof (Rmult_le_compat_l (1 - F a) _ _ ltac:(lra) Y). lra. }
  pose proof (mixed_below (F a) p x y (F_inside a P) I) as U. pose proof (mixed_below (F a) q x y (F_inside a P) J) as V.
  apply Rle_ge. eapply Rle_trans; [| exact G]. set (s := x - y - Logit (F a)) in *.
  destruct (Rle_lt_dec 0 s) as [S | S].
  - eapply Rle_trans; [apply Rmin_l |]. pose proof (Rmult_le_pos (F a - p) s ltac:(lra) S). unfold mixed in *. lra.
  - eapply Rle_trans; [apply Rmin_r |]. pose proof (Rmult_le_pos (q - F a) (- s) ltac:(lra) ltac:(lra)). unfold mixed in *. lra.
Qed.
