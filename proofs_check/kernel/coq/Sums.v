(** Finite sums, least and largest elements over lists, and the inequalities of Jensen and Gibbs for them. *)
Require Import Reals Lra List.
From Localist Require Import Functions.
Import ListNotations.
Open Scope R_scope.

Fixpoint sum {A : Type} (f : A -> R) (l : list A) : R :=
  match l with [] => 0 | i :: rest => f i + sum f rest end.
Definition count {A : Type} (l : list A) : R := INR (length l).
Definition mean {A : Type} (f : A -> R) (l : list A) : R := sum f l / count l.
(** Largest and least value on a list that is not empty; 0 on the empty one. *)
Fixpoint largest {A : Type} (f : A -> R) (l : list A) : R :=
  match l with [] => 0 | [i] => f i | i :: rest => Rmax (f i) (largest f rest) end.
Fixpoint least {A : Type} (f : A -> R) (l : list A) : R :=
  match l with [] => 0 | [i] => f i | i :: rest => Rmin (f i) (least f rest) end.

Section Sums.
Context {A B : Type}.
Implicit Types (f g : A -> R) (l : list A).

(** A sum over two lists one after the other. *)
Lemma sum_app : forall f l l', sum f (l ++ l') = sum f l + sum f l'.
Proof. intros f l l'; induction l as [| i l I]; simpl; [ring | rewrite I; ring]. Qed.

(** A sum over the images of a list. *)
Lemma sum_map : forall (h : B -> A) f (l : list B), sum f (map h l) = sum (fun i => f (h i)) l.
Proof. intros h f l; induction l as [| i l I]; simpl; [| rewrite I]; reflexivity. Qed.

(** Equal terms, equal sums. *)
Lemma sum_ext : forall f g l, (forall i, In i l -> f i = g i) -> sum f l = sum g l.
Proof. intros f g l; induction l as [| i l I]; simpl; intros E; [| rewrite E, I]; auto. Qed.

(** A sum rises with its terms. *)
Lemma sum_le : forall f g l, (forall i, In i l -> f i <= g i) -> sum f l <= sum g l.
Proof.
  intros f g l; induction l as [| i l I]; simpl; intros E; [lra |].
  apply Rplus_le_compat; auto.
Qed.

(** Sums add. *)
Lemma sum_plus : forall f g l, sum (fun i => f i + g i) l = sum f l + sum g l.
Proof. intros f g l; induction l as [| i l I]; simpl; [ring | rewrite I; ring]. Qed.

(** And subtract. *)
Lemma sum_minus : forall f g l, sum (fun i => f i - g i) l = sum f l - sum g l.
Proof. intros f g l; induction l as [| i l I]; simpl; [ring | rewrite I; ring]. Qed.

(** A factor common to all terms. *)
Lemma sum_scale : forall c f l, sum (fun i => c * f i) l = c * sum f l.
Proof. intros c f l; induction l as [| i l I]; simpl; [ring | rewrite I; ring]. Qed.

(** The same, with the factor on the right. *)
Lemma sum_scale_r : forall c f l, sum (fun i => f i * c) l = sum f l * c.
Proof. intros c f l; induction l as [| i l I]; simpl; [ring | rewrite I; ring]. Qed.

(** A sum of terms all alike. *)
Lemma sum_const : forall c l, sum (fun _ => c) l = count l * c.
Proof.
  intros c l; unfold count; induction l as [| i l I]; [simpl; ring |].
  change (length (i :: l)) with (S (length l)). rewrite S_INR. simpl. rewrite I. ring.
Qed.

(** Sums over two lists may be taken in either order. *)
Lemma sum_swap : forall (f : A -> B -> R) l (l' : list B),
  sum (fun i => sum (f i) l') l = sum (fun j => sum (fun i => f i j) l) l'.
Proof.
  intros f l l'; induction l as [| i l I]; simpl.
  - induction l' as [| j l' J]; simpl; [reflexivity | rewrite <- J; ring].
  - rewrite I. clear I. induction l' as [| j l' J]; simpl; [ring | rewrite <- J; ring].
Qed.

(** Terms that are not negative have a sum that is not. *)
Lemma sum_nonneg : forall f l, (forall i, In i l -> 0 <= f i) -> 0 <= sum f l.
Proof. intros f l P. rewrite <- (Rmult_0_r (count l)), <- sum_const. now apply sum_le. Qed.

(** Positive terms over a list that is not empty have a positive sum. *)
Lemma sum_pos : forall f l, l <> [] -> (forall i, In i l -> 0 < f i) -> 0 < sum f l.
Proof.
  intros f [| i l] N P; [congruence |]. simpl.
  apply Rplus_lt_le_0_compat; [| apply sum_nonneg; intros j J; left]; apply P; simpl; auto.
Qed.

(** A list that is not empty counts at least one. *)
Lemma count_at_least_1 : forall l, l <> [] -> 1 <= count l.
Proof.
  intros [| i l] N; [congruence |]. unfold count. simpl length. rewrite S_INR.
  pose proof (pos_INR (length l)). lra.
Qed.

(** The count of two lists one after the other. *)
Lemma count_app : forall l l', count (l ++ l') = count l + count l'.
Proof. intros l l'. unfold count. now rewrite app_length, plus_INR. Qed.

(** No value is above the largest. *)
Lemma below_largest : forall f l i, In i l -> f i <= largest f l.
Proof.
  intros f l; induction l as [| j [| j' l] I]; intros i N; [destruct N | destruct N as [-> | []]; simpl; lra |].
  change (f i <= Rmax (f j) (largest f (j' :: l))).
  destruct N as [-> | N]; [apply Rmax_l | eapply Rle_trans; [apply I, N | apply Rmax_r]].
Qed.

(** Some value is the largest. *)
Lemma largest_attained : forall f l, l <> [] -> exists i, In i l /\ largest f l = f i.
Proof.
  intros f l; induction l as [| j [| j' l] I]; intros N; [congruence | exists j; simpl; auto |].
  destruct I as (i & M & E); [congruence |].
  change (largest f (j :: j' :: l)) with (Rmax (f j) (largest f (j' :: l))). unfold Rmax.
  destruct (Rle_dec (f j) (largest f (j' :: l))); [exists i | exists j]; simpl; auto.
Qed.

(** The least value is minus the largest of the negated ones. *)
Lemma least_is : forall f l, least f l = - largest (fun i => - f i) l.
Proof.
  intros f l; induction l as [| j [| j' l] I]; [simpl; ring | simpl; ring |].
  change (Rmin (f j) (least f (j' :: l)) = - Rmax (- f j) (largest (fun i => - f i) (j' :: l))).
  rewrite I. unfold Rmin, Rmax. repeat destruct Rle_dec; lra.
Qed.

(** No value is below the least. *)
Lemma above_least : forall f l i, In i l -> least f l <= f i.
Proof. intros f l i N. rewrite least_is. pose proof (below_largest (fun i => - f i) l i N). simpl in *. lra. Qed.

(** Some value is the least. *)
Lemma least_attained : forall f l, l <> [] -> exists i, In i l /\ least f l = f i.
Proof.
  intros f l N. destruct (largest_attained (fun i => - f i) l N) as (i & M & E).
  exists i. rewrite least_is, E. split; [assumption | ring].
Qed.

(** The largest value over the images of a list, and the least. *)
Lemma largest_map : forall (h : B -> A) f (l : list B), largest f (map h l) = largest (fun i => f (h i)) l.
Proof. intros h f l; induction l as [| j [| j' l] I]; [reflexivity | reflexivity |]. simpl in *. now rewrite I. Qed.

Lemma least_map : forall (h : B -> A) f (l : list B), least f (map h l) = least (fun i => f (h i)) l.
Proof. intros h f l; induction l as [| j [| j' l] I]; [reflexivity | reflexivity |]. simpl in *. now rewrite I. Qed.

(** Values within [u] of each other have their largest within [u], and their least. *)
Lemma largest_near : forall f g l u, 0 <= u -> (forall i, In i l -> f i <= g i + u) -> largest f l <= largest g l + u.
Proof.
  intros f g [| j l] u U N; [simpl; lra |].
  destruct (largest_attained f (j :: l)) as (i & I & ->); [congruence |].
  pose proof (N i I). pose proof (below_largest g (j :: l) i I). lra.
Qed.

Lemma least_near : forall f g l u, 0 <= u -> (forall i, In i l -> f i <= g i + u) -> least f l <= least g l + u.
Proof.
  intros f g [| j l] u U N; [simpl; lra |].
  destruct (least_attained g (j :: l)) as (i & I & ->); [congruence |].
  pose proof (N i I). pose proof (above_least f (j :: l) i I). lra.
Qed.

(** A sum is at most the count times any bound of its terms. *)
Lemma sum_below : forall f l c, (forall i, In i l -> f i <= c) -> sum f l <= count l * c.
Proof. intros f l c P. rewrite <- sum_const. now apply sum_le. Qed.

(** A sum is at least the count times any bound of its terms from below. *)
Lemma sum_above : forall f l c, (forall i, In i l -> c <= f i) -> count l * c <= sum f l.
Proof. intros f l c P. rewrite <- sum_const. now apply sum_le. Qed.

(** A mean is at most any bound of its terms. *)
Lemma mean_below : forall f l c, l <> [] -> (forall i, In i l -> f i <= c) -> mean f l <= c.
Proof.
  intros f l c N P. pose proof (count_at_least_1 l N). pose proof (sum_below f l c P).
  unfold mean. apply (Rmult_le_reg_r (count l)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** A mean is at least any bound of its terms from below. *)
Lemma mean_above : forall f l c, l <> [] -> (forall i, In i l -> c <= f i) -> c <= mean f l.
Proof.
  intros f l c N P. pose proof (count_at_least_1 l N). pose proof (sum_above f l c P).
  unfold mean. apply (Rmult_le_reg_r (count l)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(** A mean of positive terms is positive. *)
Lemma mean_pos : forall f l, l <> [] -> (forall i, In i l -> 0 < f i) -> 0 < mean f l.
Proof.
  intros f l N P. pose proof (count_at_least_1 l N). apply Rdiv_lt_0_compat; [now apply sum_pos | lra].
Qed.

(** Jensen's inequality for the exponential: its mean is at least that of the mean. *)
Lemma jensen_exp : forall f l, l <> [] -> exp (mean f l) <= mean (fun i => exp (f i)) l.
Proof.
  intros f l N. pose proof (count_at_least_1 l N) as C. set (c := mean f l).
  assert (T : sum (fun i => exp c * (1 - c + f i)) l <= sum (fun i => exp (f i)) l).
  { apply sum_le. intros i _. pose proof (exp_ineq1_le (f i - c)). pose proof (exp_pos c).
    replace (f i) with (c + (f i - c)) at 2 by ring. rewrite exp_plus. apply Rmult_le_compat_l; lra. }
  rewrite sum_scale, sum_plus, sum_const in T.
  assert (E : sum f l = count l * c) by (unfold c, mean; field; lra). rewrite E in T.
  unfold mean. apply (Rmult_le_reg_r (count l)); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(** Gibbs's inequality on part of the mass: cross-entropy falls short of entropy by no more than [q] has mass over [p]. *)
Lemma gibbs : forall p q l, (forall i, In i l -> 0 <= p i) -> (forall i, In i l -> 0 < q i) ->
  sum (fun i => - p i * ln (p i)) l <= sum (fun i => - p i * ln (q i)) l + sum q l - sum p l.
Proof.
  intros p q l P Q.
  assert (T : sum (fun i => p i * (ln (q i) - ln (p i))) l <= sum (fun i => q i + -1 * p i) l).
  { apply sum_le. intros i N. pose proof (gibbs_term (p i) (q i)). pose proof (P i N). pose proof (Q i N). lra. }
  rewrite sum_plus, sum_scale in T.
  assert (E : sum (fun i => - p i * ln (p i)) l
            = sum (fun i => - p i * ln (q i)) l + sum (fun i => p i * (ln (q i) - ln (p i))) l).
  { rewrite <- sum_plus. apply sum_ext. intros; ring. }
  lra.
Qed.

(** The same with [q] level. *)
Lemma gibbs_level : forall p c l, (forall i, In i l -> 0 <= p i) -> 0 < c ->
  sum (fun i => - p i * ln (p i)) l <= - sum p l * ln c + count l * c - sum p l.
Proof.
  intros p c l P C. pose proof (gibbs p (fun _ => c) l P (fun _ _ => C)) as G.
  rewrite sum_const in G. replace (- sum p l * ln c) with (sum (fun i => - p i * ln c) l); [exact G |].
  rewrite sum_scale_r. replace (sum (fun i => - p i) l) with (-1 * sum p l); [ring |].
  rewrite <- sum_scale. apply sum_ext. intros; ring.
Qed.

(** The same with one key's term left as it is. *)
Lemma gibbs_level_but_one : forall p c i l, (forall j, In j l -> 0 <= p j) -> 0 < c -> In i l ->
  sum (fun j => - p j * ln (p j)) l
  <= - p i * ln (p i) - (sum p l - p i) * ln c + (count l - 1) * c - (sum p l - p i).
Proof.
  intros p c i l P C I. apply in_split in I as (l1 & l2 & ->).
  pose proof (gibbs_level p c (l1 ++ l2)
    ltac:(intros j J; apply P, in_or_app; apply in_app_or in J; simpl; tauto) C) as G.
  rewrite !sum_app, count_app in *. simpl sum.
  replace (count (i :: l2)) with (count l2 + 1) by (unfold count; simpl length; now rewrite S_INR). lra.
Qed.
End Sums.
