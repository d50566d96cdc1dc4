(** A6, robustness: least and largest scores move by no more than the scores do. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Row RowFacts.
Open Scope R_scope.

(** No key's two scores are further apart than [u]. *)
Lemma apart : forall a i, In i (keys a) -> Rabs (score i - seen i) <= u a.
Proof. intros a i I. exact (below_largest (fun j => Rabs (score j - seen j)) (keys a) i I). Qed.

Lemma u_nonneg : forall a, possible a -> 0 <= u a.
Proof.
  intros a P. destruct (block a) as [| i l] eqn:E; [now destruct P |].
  apply Rle_trans with (Rabs (score i - seen i)); [apply Rabs_pos | apply apart].
  unfold keys. rewrite E. simpl. auto.
Qed.

Theorem margin : forall a, possible a -> Rabs (delta a - delta_seen a) <= 2 * u a.
Proof.
  intros a P. pose proof (u_nonneg a P) as U.
  assert (N : forall i, In i (block a) \/ In i (others a) -> score i <= seen i + u a /\ seen i <= score i + u a).
  { intros i I. pose proof (apart a i (in_or_app _ _ _ I)) as D.
    pose proof (Rle_abs (score i - seen i)). pose proof (Rle_abs (- (score i - seen i))).
    rewrite Rabs_Ropp in *. lra. }
  pose proof (least_near score seen (block a) (u a) U (fun i I => proj1 (N i (or_introl I)))).
  pose proof (least_near seen score (block a) (u a) U (fun i I => proj2 (N i (or_introl I)))).
  pose proof (largest_near score seen (others a) (u a) U (fun i I => proj1 (N i (or_intror I)))).
  pose proof (largest_near seen score (others a) (u a) U (fun i I => proj2 (N i (or_intror I)))).
  unfold delta_seen, delta, with_keys. simpl. rewrite least_map, largest_map. simpl.
  change (fun i => seen i) with seen. apply Rabs_le. lra.
Qed.

Theorem leak : forall a, possible a -> epsilon a <= Logistic (- ln (m a / k a) - (delta_seen a - 2 * u a) / tau a).
Proof.
  intros a P. pose proof (margin a P) as M.
  assert (L : (delta_seen a - 2 * u a) / tau a <= d a).
  { apply over_tau_le; trivial. pose proof (Rle_abs (- (delta a - delta_seen a))). rewrite Rabs_Ropp in *. lra. }
  replace (- ln (m a / k a) - (delta_seen a - 2 * u a) / tau a)
    with (- ((delta_seen a - 2 * u a) / tau a) - ln (m a / k a)) by ring.
  apply epsilon_below; trivial. pose proof (d_le_mean a P). pose proof (d_mean_le_Delta a P). lra.
Qed.
