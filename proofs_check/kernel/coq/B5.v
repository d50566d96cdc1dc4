(** B5, group-sparse attention: the block's own row maximises exactly if each group's penalty covers the length of its
    scores above the water level; a smaller penalty is beaten by moving mass along them. *)
Require Import Reals Lra Lia List Permutation.
From Localist Require Import Functions Sums Vectors.
From Localist Require Chosen A8 Matrices Row.
From Localist Require Import Sparse.
Import ListNotations.
Open Scope R_scope.

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a /\ groups_cover a.
Proof.
  exists (Sparse 1 1 [Group [1%nat] 1] (fun i => if Nat.eqb i 0 then 1 else 0) 1 0 (fun i => if Nat.eqb i 0 then 1 else 0)
    (fun _ => 1)).
  assert (S : forall x, 0 <= x -> sqrt (x * (x * 1) + 0) = x).
  { intros x X. replace (x * (x * 1) + 0) with (x * x) by ring. now apply sqrt_square. }
  split; [| split; [reflexivity | intros g [<- | []]; discriminate]].
  unfold possible, maximises, distribution, objective, keys, block, others, above, norm; simpl.
  split; [lia |]. split; [lia |]. split; [lra |]. split; [intros g [<- | []]; simpl; lra |].
  split; [rewrite Rmax_left; lra |]. split; [| split; [intros; lra | lra]].
  split; [split; [intros i [<- | [<- | []]]; simpl; lra | lra] |].
  intros p [N T]. rewrite !S by (try lra; apply N; auto). pose proof (N 1%nat ltac:(auto)).
  assert (E : p 0%nat = 1 - p 1%nat) by lra. rewrite E. pose proof (pow2_ge_0 (p 1%nat)). simpl in *. lra.
Qed.

(** Lists from the largest down. *)
Fixpoint down (l : list R) : Prop := match l with [] => True | s :: l' => (forall t, In t l' -> t <= s) /\ down l' end.

Lemma inserted_down : forall l s, down l -> down (Chosen.inserted s l).
Proof.
  intros l. induction l as [| t l I]; intros s D; [simpl; tauto |]. destruct D as [B D]. split; [| now apply I].
  intros r M. apply (Permutation_in _ (Permutation_sym (A8.inserted_keeps _ _))) in M. destruct M as [<- | M].
  - unfold Rmin, Rmax. destruct (Rle_dec s t); lra.
  - apply Rle_trans with t; [now apply B | apply Rmax_r].
Qed.

Lemma sorted_down : forall l, down (Chosen.sorted l).
Proof. intros l. induction l as [| s l I]; simpl; [trivial | now apply inserted_down]. Qed.

(** What a list holds above a level: at least what its first entries do, and just that for some number of them. *)
Definition height (x s : R) : R := Rmax (s - x) 0.
Definition first (j : nat) (l : list R) : R := sum (fun s => s) (firstn j l).

Lemma height_nonneg : forall x s, 0 <= height x s.
Proof. intros. apply Rmax_r. Qed.

Lemma first_below : forall x l j, (j <= length l)%nat -> first j l - INR j * x <= sum (height x) l.
Proof.
  intros x l. induction l as [| s l I]; intros [| j] L; unfold first; simpl length in L; try lia.
  - simpl. lra.
  - simpl. pose proof (height_nonneg x s). pose proof (sum_nonneg (height x) l (fun t _ => height_nonneg x t)). lra.
  - specialize (I j ltac:(lia)). unfold first in I. rewrite S_INR.
    change (firstn (S j) (s :: l)) with (s :: firstn j l). simpl sum. pose proof (Rmax_l (s - x) 0). unfold height at 1. lra.
Qed.

Lemma first_is : forall x l, down l -> exists j, (j <= length l)%nat /\ first j l - INR j * x = sum (height x) l.
Proof.
  intros x l. induction l as [| s l I]; intros D; [exists 0%nat; unfold first; simpl; split; [lia | lra] |].
  destruct D as [B D]. destruct (Rle_dec s x) as [L | L].
  - exists 0%nat. split; [lia |]. unfold first. simpl firstn. simpl INR.
    rewrite (sum_ext (height x) (fun _ => 0)); [rewrite sum_const; simpl; lra |].
    intros t M. unfold height. apply Rmax_right. destruct M as [<- | M]; [lra | specialize (B t M); lra].
  - destruct (I D) as (j & J & E). exists (S j). split; [simpl; lia |]. unfold first in *. rewrite S_INR.
    change (firstn (S j) (s :: l)) with (s :: firstn j l). simpl sum. unfold height at 1. rewrite Rmax_left by lra. lra.
Qed.

(** What lies above a level falls with it, while anything does. *)
Lemma one_level : forall l x y t, 0 < t -> sum (height x) l = t -> sum (height y) l = t -> x <= y -> x = y.
Proof.
  intros l x y t T X Y L. destruct (Rle_lt_or_eq_dec x y L) as [N | N]; [exfalso | exact N].
  assert (M : forall s, 0 <= height x s - height y s).
  { intros s. unfold height, Rmax. repeat destruct Rle_dec; lra. }
  assert (A : forall s, In s l -> height y s = 0).
  { intros s S. assert (D : height x s - height y s <= 0).
    { pose proof (Matrices.term_below_sum (fun s => height x s - height y s) l s (fun s _ => M s) S) as B.
      rewrite sum_minus, X, Y in B. simpl in B. lra. }
    revert D. unfold height, Rmax. repeat destruct Rle_dec; lra. }
  rewrite (sum_ext _ (fun _ => 0)), sum_const in Y by exact A. lra.
Qed.

Section Facts.
Variable a : sparse.
Hypothesis P : possible a.
Hypothesis C : groups_cover a.

Let l := Chosen.sorted (map (score a) (block a)).

Lemma inside_pos : (0 < inside a)%nat. Proof. now destruct P. Qed.
Lemma outside_pos : (0 < outside a)%nat. Proof. now destruct P as (_ & ? & _). Qed.
Lemma tau_pos : 0 < tau a. Proof. now destruct P as (_ & _ & ? & _). Qed.
Lemma penalty_pos : forall g, In g (groups a) -> 0 < penalty g. Proof. now destruct P as (_ & _ & _ & ? & _). Qed.
Lemma at_level : sum (above a (nu_B a)) (block a) = tau a. Proof. now destruct P as (_ & _ & _ & _ & ? & _). Qed.
Lemma best : maximises a. Proof. now destruct P as (_ & _ & _ & _ & _ & ? & _). Qed.

Lemma sorted_sum : forall x, sum (height x) l = sum (above a x) (block a).
Proof.
  intros x. unfold l. rewrite <- (A8.sum_permuted _ _ _ (A8.sorted_keeps _)). now rewrite sum_map.
Qed.

Lemma sorted_length : length l = inside a.
Proof.
  unfold l. rewrite <- (Permutation_length (A8.sorted_keeps _)), map_length. apply seq_length.
Qed.

Lemma nu_level : sum (height (nu a)) l = tau a.
Proof.
  set (f := fun j => (first j l - tau a) / INR j).
  assert (E : nu a = largest f (seq 1 (inside a))) by reflexivity.
  assert (J : forall j, In j (seq 1 (inside a)) -> 0 < INR j).
  { intros j I. apply in_seq in I. apply lt_0_INR. lia. }
  apply Rle_antisym.
  - destruct (first_is (nu a) l) as (j & L & <-); [apply sorted_down |]. rewrite sorted_length in L.
    destruct j as [| j]; [unfold first; simpl; pose proof tau_pos; lra |].
    assert (I : In (S j) (seq 1 (inside a))) by (apply in_seq; lia). pose proof (J _ I) as N.
    pose proof (below_largest f _ _ I) as B. rewrite <- E in B. unfold f in B.
    apply (Rmult_le_compat_l (INR (S j))) in B; [| lra].
    replace (INR (S j) * ((first (S j) l - tau a) / INR (S j))) with (first (S j) l - tau a) in B by (field; lra). lra.
  - destruct (largest_attained f (seq 1 (inside a))) as (j & I & F).
    { pose proof inside_pos. destruct (inside a); [lia | discriminate]. }
    pose proof (J _ I) as N. rewrite <- E in F. unfold f in F.
    assert (T : tau a = first j l - INR j * nu a) by (rewrite F; field; lra).
    rewrite T. apply first_below. rewrite sorted_length. apply in_seq in I. lia.
Qed.

Lemma water : nu a = nu_B a.
Proof.
  pose proof nu_level as X. pose proof at_level as Y. rewrite <- sorted_sum in Y.
  destruct (Rle_dec (nu a) (nu_B a)); [| symmetry];
    apply (one_level l _ _ (tau a)); trivial; try apply tau_pos; lra.
Qed.

Lemma nu_sum : sum (above a (nu a)) (block a) = tau a.
Proof. rewrite <- sorted_sum. apply nu_level. Qed.

(** The block's own row. *)
Definition own (i : nat) : R := if Nat.ltb i (inside a) then above a (nu a) i / tau a else 0.

Lemma own_in : forall i, In i (block a) -> own i = above a (nu a) i / tau a.
Proof. intros i I. apply in_seq in I. unfold own. destruct (Nat.ltb_spec i (inside a)); [reflexivity | lia]. Qed.

Lemma own_out : forall i, In i (others a) -> own i = 0.
Proof. intros i I. apply in_seq in I. unfold own. destruct (Nat.ltb_spec i (inside a)); [lia | reflexivity]. Qed.

Lemma above_nonneg : forall x i, 0 <= above a x i.
Proof. intros. apply Rmax_r. Qed.

Lemma own_nonneg : forall i, 0 <= own i.
Proof.
  intros i. unfold own. destruct Nat.ltb; [| lra]. pose proof tau_pos.
  apply Rmult_le_pos; [apply above_nonneg | left; now apply Rinv_0_lt_compat].
Qed.

Lemma own_sum : sum own (keys a) = 1.
Proof.
  unfold keys. rewrite sum_app, (sum_ext own _ _ own_in), (sum_ext own (fun _ => 0) _ own_out), sum_const.
  unfold Rdiv. rewrite sum_scale_r, nu_sum. pose proof tau_pos. field. lra.
Qed.

Lemma own_distribution : distribution a own.
Proof. split; [intros; apply own_nonneg | apply own_sum]. Qed.

(** A key of a group lies outside the block. *)
Lemma member_out : forall g i, In g (groups a) -> In i (members g) -> In i (others a).
Proof. intros g i G I. destruct C as [K _]. apply (Permutation_in _ K), in_flat_map. now exists g. Qed.

Lemma others_by_group : forall f, sum f (others a) = sum (fun g => sum f (members g)) (groups a).
Proof.
  intros f. destruct C as [K _]. assert (E : forall u v : list nat, Permutation u v -> sum f u = sum f v).
  { intros u v Q. induction Q; simpl; lra. }
  rewrite <- (E _ _ K). clear K E. induction (groups a) as [| g gs I]; [reflexivity |].
  simpl. now rewrite sum_app, I.
Qed.

(** What a mass on a key brings over the level, beside the block's own row. *)
Definition pull (i : nat) : R := score a i - tau a * own i - nu a.
Definition charge (p : nat -> R) : R := sum (fun g => penalty g * norm p (members g)) (groups a).
Definition off (p : nat -> R) : R := sum (fun i => (p i - own i) ^ 2) (keys a).

Lemma pull_own : forall i, In i (keys a) -> pull i * own i = 0.
Proof.
  intros i I. apply in_app_or in I as [I | I]; [| rewrite (own_out i I); ring].
  unfold pull. rewrite (own_in i I). pose proof tau_pos. unfold above, Rmax. destruct Rle_dec; field; lra.
Qed.

Lemma charge_own : charge own = 0.
Proof.
  unfold charge. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |]. intros g G.
  rewrite (Matrices.norm_ext own (fun _ => 0)) by (intros i I; now apply own_out, (member_out g)).
  rewrite Matrices.norm_zeros. ring.
Qed.

(** The objective about the block's own row. *)
Lemma objective_is : forall p, sum p (keys a) = 1 ->
  objective a p = objective a own + sum (fun i => pull i * p i) (keys a) - tau a / 2 * off p - charge p.
Proof.
  intros p S. unfold objective. fold (charge p) (charge own). rewrite charge_own.
  assert (E : sum (fun i => pull i * p i) (keys a) - tau a / 2 * off p
    = sum (fun i => score a i * p i) (keys a) - tau a / 2 * sum (fun i => p i ^ 2) (keys a)
      - (sum (fun i => score a i * own i) (keys a) - tau a / 2 * sum (fun i => own i ^ 2) (keys a))
      - nu a * (sum p (keys a) - sum own (keys a)) + sum (fun i => pull i * own i) (keys a)).
  { unfold off. rewrite <- !sum_scale, <- !sum_minus, <- sum_scale, <- !sum_minus, <- sum_plus.
    apply sum_ext. intros i _. unfold pull. field. }
  rewrite (sum_ext (fun i => pull i * own i) (fun _ => 0)), sum_const, S, own_sum in E by apply pull_own. lra.
Qed.

Definition length_above (g : group) : R := norm (above a (nu a)) (members g).

Lemma pulled : forall p, distribution a p ->
  sum (fun i => pull i * p i) (keys a) <= sum (fun g => length_above g * norm p (members g)) (groups a).
Proof.
  intros p [N _]. unfold keys. rewrite sum_app, others_by_group.
  assert (B : sum (fun i => pull i * p i) (block a) <= 0).
  { rewrite <- (Rmult_0_r (count (block a))). apply sum_below. intros i I.
    assert (0 <= p i) by (apply N, in_or_app; now left).
    assert (pull i <= 0).
    { unfold pull. rewrite (own_in i I). pose proof tau_pos.
      replace (tau a * (above a (nu a) i / tau a)) with (above a (nu a) i) by (field; lra).
      pose proof (Rmax_l (score a i - nu a) 0). unfold above. lra. }
    assert (0 <= - pull i * p i) by (apply Rmult_le_pos; lra). lra. }
  assert (O : sum (fun g => sum (fun i => pull i * p i) (members g)) (groups a)
    <= sum (fun g => length_above g * norm p (members g)) (groups a)).
  { apply sum_le. intros g G. eapply Rle_trans; [| apply cauchy_schwarz]. apply sum_le. intros i I.
    pose proof (member_out g i G I) as M. apply Rmult_le_compat_r; [apply N, in_or_app; now right |].
    unfold pull. rewrite (own_out i M). pose proof (Rmax_l (score a i - nu a) 0). unfold above. lra. }
  lra.
Qed.

(** A row that no group gains on by as much as it is charged is the block's own. *)
Lemma is_own : (forall g, In g (groups a) -> length_above g * norm (mass a) (members g) <= penalty g * norm (mass a) (members g)) ->
  forall i, In i (keys a) -> mass a i = own i.
Proof.
  intros G. destruct best as [D M]. pose proof (M own own_distribution) as L.
  rewrite (objective_is (mass a)) in L by apply D. pose proof (pulled _ D) as B.
  pose proof (sum_le _ _ _ G) as S. fold (charge (mass a)) in S.
  assert (Z : off (mass a) = 0).
  { apply Rle_antisym; [| apply squares_nonneg]. pose proof tau_pos.
    apply (Rmult_le_reg_l (tau a / 2)); lra. }
  intros i I. apply Rminus_diag_uniq.
  apply (norm_zero (fun i => mass a i - own i) (keys a)); trivial. unfold norm. fold (off (mass a)).
  now rewrite Z, sqrt_0.
Qed.

Lemma covered : (forall g, In g (groups a) -> length_above g <= penalty g) -> epsilon_s a = 0.
Proof.
  intros G. unfold epsilon_s. rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_const; ring |].
  intros i I. rewrite is_own; [now apply own_out | | apply in_or_app; now right].
  intros g H. apply Rmult_le_compat_r; [apply norm_nonneg | now apply G].
Qed.

Lemma no_mass_outside : epsilon_s a = 0 -> forall i, In i (others a) -> mass a i = 0.
Proof.
  intros E i I. destruct best as [[N _] _].
  assert (B : forall j, In j (others a) -> 0 <= mass a j) by (intros j J; apply N, in_or_app; now right).
  pose proof (Matrices.term_below_sum (mass a) (others a) i B I). fold (epsilon_s a) in H. specialize (B i I). lra.
Qed.

Lemma own_if_zero : epsilon_s a = 0 -> forall i, In i (keys a) -> mass a i = own i.
Proof.
  intros E. apply is_own. intros g G.
  rewrite (Matrices.norm_ext (mass a) (fun _ => 0)) by (intros i I; now apply no_mass_outside, (member_out g)).
  rewrite Matrices.norm_zeros. lra.
Qed.

Lemma as_good : epsilon_s a = 0 -> objective a (mass a) = objective a own.
Proof.
  intros E. pose proof (own_if_zero E) as O. unfold objective.
  rewrite (sum_ext (fun i => score a i * mass a i) (fun i => score a i * own i)) by (intros; now rewrite O).
  rewrite (sum_ext (fun i => mass a i ^ 2) (fun i => own i ^ 2)) by (intros; now rewrite O). f_equal.
  apply sum_ext. intros g G. f_equal. apply Matrices.norm_ext. intros i I. apply O, in_or_app. right.
  now apply (member_out g).
Qed.

(** Mass along a group's scores above the level, and nowhere else outside the block. *)
Definition along (g : group) (i : nat) : R := if in_dec Nat.eq_dec i (members g) then above a (nu a) i else 0.

Lemma along_in : forall g i, In i (members g) -> along g i = above a (nu a) i.
Proof. intros g i I. unfold along. destruct in_dec; tauto. Qed.

Lemma along_out : forall g i, ~ In i (members g) -> along g i = 0.
Proof. intros g i I. unfold along. destruct in_dec; tauto. Qed.

Lemma along_nonneg : forall g i, 0 <= along g i.
Proof. intros g i. unfold along. destruct in_dec; [apply above_nonneg | lra]. Qed.

Lemma apart : forall (u w : list nat) i, NoDup (u ++ w) -> In i u -> ~ In i w.
Proof.
  intros u. induction u as [| j u I]; intros w i N J K; [destruct J |]. inversion N as [| ? ? M D]; subst.
  destruct J as [-> | J]; [apply M, in_or_app; now right | now apply (I w i)].
Qed.

Lemma rest_once : forall u w : list nat, NoDup (u ++ w) -> NoDup w.
Proof. intros u w N. induction u as [| i u I]; [exact N |]. inversion N; auto. Qed.

Lemma charge_along : forall g gs, NoDup (flat_map members gs) -> In g gs ->
  sum (fun h => penalty h * norm (along g) (members h)) gs = penalty g * length_above g.
Proof.
  assert (Z : forall g h, (forall i, In i (members h) -> ~ In i (members g)) -> penalty h * norm (along g) (members h) = 0).
  { intros g h N. rewrite (Matrices.norm_ext _ (fun _ => 0)) by (intros; now apply along_out, N).
    rewrite Matrices.norm_zeros. ring. }
  intros g gs. induction gs as [| h gs I]; intros N G; [destruct G |]. simpl in N |- *. destruct G as [-> | G].
  - rewrite (sum_ext _ (fun _ => 0) gs).
    + rewrite sum_const, (Matrices.norm_ext (along g) (above a (nu a))) by (intros; now apply along_in).
      unfold length_above. ring.
    + intros h H. apply Z. intros i J K. apply (apart _ _ i N K), in_flat_map. now exists h.
  - rewrite I by (trivial; now apply rest_once in N). rewrite Z; [ring |].
    intros i J K. apply (apart _ _ i N J), in_flat_map. now exists g.
Qed.

Lemma pull_along : forall g, In g (groups a) -> length_above g ^ 2 <= sum (fun i => pull i * along g i) (keys a).
Proof.
  intros g G. rewrite (sum_ext _ (fun i => along g i ^ 2)).
  - unfold keys. rewrite sum_app, others_by_group. pose proof (squares_nonneg (along g) (block a)).
    pose proof (Matrices.term_below_sum (fun h => sum (fun i => along g i ^ 2) (members h)) (groups a) g
      (fun h _ => squares_nonneg (along g) (members h)) G) as B. simpl in B.
    unfold length_above. rewrite norm_square.
    rewrite (sum_ext (fun i => above a (nu a) i ^ 2) (fun i => along g i ^ 2)) by (intros; now rewrite along_in).
    simpl in *. lra.
  - intros i _. destruct (in_dec Nat.eq_dec i (members g)) as [I | I]; [| rewrite along_out by exact I; ring].
    rewrite along_in by exact I. unfold pull. rewrite (own_out i) by now apply (member_out g).
    unfold above, Rmax. destruct Rle_dec; ring.
Qed.

Lemma needed : epsilon_s a = 0 -> forall g, In g (groups a) -> length_above g <= penalty g.
Proof.
  intros E g G. apply Rnot_lt_le. intros L. pose proof tau_pos as T. pose proof (penalty_pos g G) as Q.
  set (n := length_above g) in *. set (x := n ^ 2 - penalty g * n).
  assert (X : 0 < x) by (unfold x; replace (n ^ 2 - penalty g * n) with (n * (n - penalty g)) by ring; apply Rmult_lt_0_compat; lra).
  set (U := sum (along g) (keys a)). assert (V : 0 <= U) by (apply sum_nonneg; intros; apply along_nonneg).
  set (D := sum (fun i => (along g i - U * own i) ^ 2) (keys a)). assert (N : 0 <= D) by apply squares_nonneg.
  set (t := Rmin (1 / (U + 1)) (x / (tau a * (D + 1)))).
  assert (W : 0 < tau a * (D + 1)) by (apply Rmult_lt_0_compat; lra).
  assert (S : 0 < t) by (apply Rmin_glb_lt; apply Rdiv_lt_0_compat; lra).
  assert (A : t * (U + 1) <= 1).
  { apply Rle_trans with (1 / (U + 1) * (U + 1)); [apply Rmult_le_compat_r; [lra | apply Rmin_l] | right; field; lra]. }
  assert (B : t * (tau a * (D + 1)) <= x).
  { apply Rle_trans with (x / (tau a * (D + 1)) * (tau a * (D + 1))); [apply Rmult_le_compat_r; [lra | apply Rmin_r] |].
    right. field. lra. }
  set (p := fun i => (1 - t * U) * own i + t * along g i).
  assert (F : sum p (keys a) = 1).
  { unfold p. rewrite sum_plus, !sum_scale, own_sum. fold U. ring. }
  destruct best as [_ M]. specialize (M p). rewrite (as_good E), (objective_is p F) in M.
  assert (K : sum (fun i => pull i * p i) (keys a) = t * sum (fun i => pull i * along g i) (keys a)).
  { rewrite <- sum_scale. apply sum_ext. intros i I. unfold p.
    replace (pull i * ((1 - t * U) * own i + t * along g i)) with ((1 - t * U) * (pull i * own i) + t * (pull i * along g i)) by ring.
    rewrite (pull_own i I). ring. }
  assert (O : off p = t ^ 2 * D).
  { unfold off, D. rewrite <- sum_scale. apply sum_ext. intros i _. unfold p. ring. }
  assert (H : charge p = t * (penalty g * n)).
  { unfold n. rewrite <- (charge_along g (groups a)); [| | exact G].
    - unfold charge. rewrite <- sum_scale. apply sum_ext. intros h H.
      rewrite (Matrices.norm_ext p (fun i => t * along g i)).
      + rewrite norm_scale, Rabs_pos_eq by lra. ring.
      + intros i I. unfold p. rewrite (own_out i) by now apply (member_out h). ring.
    - destruct C as [R _]. apply (Permutation_NoDup (Permutation_sym R)), seq_NoDup. }
  rewrite K, O, H in M. pose proof (pull_along g G) as I. fold n in I.
  assert (Y : distribution a p).
  { split; [| exact F]. intros i _. unfold p. apply Rplus_le_le_0_compat; apply Rmult_le_pos; try lra.
    - apply own_nonneg.
    - apply along_nonneg. }
  specialize (M Y). apply (Rmult_le_compat_l t) in I; [| lra].
  assert (Z : t * x <= t * (tau a / 2 * (t * D))) by (unfold x; simpl in *; lra).
  apply Rmult_le_reg_l in Z; [| exact S]. assert (0 < t * tau a) by now apply Rmult_lt_0_compat. lra.
Qed.

Lemma omega_is : omega a <= 1 <-> forall g, In g (groups a) -> length_above g <= penalty g.
Proof.
  unfold omega. split.
  - intros L g G. pose proof (below_largest (fun g => norm (above a (nu a)) (members g) / penalty g) _ g G) as B.
    simpl in B. fold (length_above g) in B. pose proof (penalty_pos g G).
    apply (Rmult_le_reg_r (/ penalty g)); [now apply Rinv_0_lt_compat |]. rewrite Rinv_r by lra. unfold Rdiv in *. lra.
  - intros L. destruct (groups a) as [| h gs] eqn:S; [simpl; lra |]. rewrite <- S in *.
    destruct (largest_attained (fun g => norm (above a (nu a)) (members g) / penalty g) (groups a)) as (g & G & ->); [congruence |].
    specialize (L g G). pose proof (penalty_pos g G). fold (length_above g).
    apply (Rmult_le_reg_r (penalty g)); trivial. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma block_not_empty : block a <> [].
Proof. pose proof inside_pos. unfold block. destruct (inside a); [lia | discriminate]. Qed.

Lemma count_block : 1 <= m a.
Proof. apply count_at_least_1, block_not_empty. Qed.

(** No score outside is farther above the level than the mean margin lets it. *)
Lemma above_by_margin : forall i, In i (others a) -> above a (nu a) i <= Rmax 0 (- delta_mean a + tau a / m a).
Proof.
  intros i I. pose proof count_block as M. unfold above. rewrite Rmax_comm. apply Rle_max_compat_l.
  assert (B : sum (fun j => score a j - nu a) (block a) <= tau a).
  { rewrite <- nu_sum. apply sum_le. intros j _. apply Rmax_l. }
  rewrite sum_minus, sum_const in B. fold (m a) in B.
  assert (E : sum (score a) (block a) = m a * mean (score a) (block a)) by (unfold mean, m in *; field; lra).
  rewrite E in B. pose proof (below_largest (score a) (others a) i I) as L. unfold delta_mean.
  assert (K : mean (score a) (block a) - nu a <= tau a / m a).
  { apply (Rmult_le_reg_l (m a)); [lra |]. replace (m a * (tau a / m a)) with (tau a) by (field; lra). lra. }
  lra.
Qed.

Lemma by_margin : Rmax 0 (- delta_mean a + tau a / m a) <= lambda_min a -> epsilon_s a = 0.
Proof.
  intros L. apply covered. intros g G. destruct C as [_ N]. specialize (N g G).
  pose proof (count_at_least_1 _ N) as S. set (x := Rmax 0 (- delta_mean a + tau a / m a)) in *.
  assert (X : 0 <= x) by apply Rmax_l.
  assert (Q : 0 < sqrt (count (members g))) by (apply sqrt_lt_R0; lra).
  pose proof (above_least (fun g => penalty g / sqrt (count (members g))) (groups a) g G) as B. simpl in B.
  fold (lambda_min a) in B.
  assert (F : length_above g <= x * sqrt (count (members g))).
  { apply Matrices.norm_by_square; [apply Rmult_le_pos; lra |].
    replace ((x * sqrt (count (members g))) ^ 2) with (count (members g) * x ^ 2)
      by (rewrite Rpow_mult_distr, pow2_sqrt by lra; ring).
    apply sum_below. intros i I. apply pow_incr. split; [apply above_nonneg |]. now apply above_by_margin, (member_out g). }
  eapply Rle_trans; [exact F |]. apply (Rmult_le_reg_r (/ sqrt (count (members g)))); [now apply Rinv_0_lt_compat |].
  rewrite Rmult_assoc, Rinv_r by lra. unfold Rdiv in B. lra.
Qed.

Lemma margin_below_mean : delta a <= delta_mean a.
Proof.
  unfold delta, delta_mean. apply Rplus_le_compat_r. apply mean_above; [apply block_not_empty |].
  intros i I. now apply above_least.
Qed.

Lemma lambda_min_nonneg : 0 <= lambda_min a.
Proof.
  unfold lambda_min. destruct (groups a) as [| h gs] eqn:S; [simpl; lra |]. rewrite <- S in *.
  destruct (least_attained (fun g => penalty g / sqrt (count (members g))) (groups a)) as (g & G & ->); [congruence |].
  pose proof (penalty_pos g G). destruct C as [_ N]. pose proof (count_at_least_1 _ (N g G)).
  left. apply Rdiv_lt_0_compat; [lra | apply sqrt_lt_R0; lra].
Qed.

Lemma low_entropy : epsilon_s a = 0 -> H_s a <= ln (m a).
Proof.
  intros E. pose proof count_block as M. destruct best as [[N S] _]. unfold H_s, keys in *.
  rewrite sum_app in *. fold (epsilon_s a) in S.
  rewrite (sum_ext _ (fun _ => 0) (others a))
    by (intros i I; unfold Row.surprise; rewrite (no_mass_outside E i I); ring).
  rewrite sum_const. pose proof (gibbs_level (mass a) (/ m a) (block a)) as G.
  specialize (G (fun i I => N i (in_or_app _ _ _ (or_introl I))) ltac:(apply Rinv_0_lt_compat; lra)).
  fold (m a) in G. rewrite ln_Rinv, Rinv_r in G by lra. replace (sum (mass a) (block a)) with 1 in G by lra.
  unfold Row.surprise. lra.
Qed.
End Facts.

Theorem maximiser : forall a, possible a -> groups_cover a -> J_p a <= J_s a.
Proof.
  intros a (_ & _ & _ & _ & _ & [_ M] & N & S) _. apply M. split.
  - intros i I. apply Rmult_le_pos; [now apply N | left; now apply Rinv_0_lt_compat].
  - unfold Rdiv. rewrite sum_scale_r. field. lra.
Qed.

Theorem water_level : forall a, possible a -> groups_cover a -> nu a = nu_B a.
Proof. intros a P _. now apply water. Qed.

Theorem exact_zeros : forall a, possible a -> groups_cover a -> ((epsilon_s a = 0) <-> (omega a <= 1)).
Proof.
  intros a P C. rewrite (omega_is a P). split; [now apply needed | now apply covered].
Qed.

Theorem margin : forall a, possible a -> groups_cover a ->
  lambda_min a >= Rmax 0 (- delta a + tau a / m a) -> epsilon_s a = 0.
Proof.
  intros a P C L. apply by_margin; trivial. apply Rge_le in L. eapply Rle_trans; [| exact L].
  apply Rle_max_compat_l. pose proof (margin_below_mean a P). lra.
Qed.

Theorem mean_margin : forall a, possible a -> groups_cover a ->
  lambda_min a >= Rmax 0 (- delta_mean a + tau a / m a) -> epsilon_s a = 0.
Proof. intros a P C L. apply by_margin; trivial. lra. Qed.

Theorem wide_margin : forall a, possible a -> groups_cover a -> delta_mean a >= tau a / m a -> epsilon_s a = 0.
Proof. intros a P C L. apply by_margin; trivial. rewrite Rmax_left by lra. now apply lambda_min_nonneg. Qed.

Theorem entropy : forall a, possible a -> groups_cover a -> epsilon_s a = 0 -> H_s a <= ln (m a).
Proof. intros a P _. now apply low_entropy. Qed.
