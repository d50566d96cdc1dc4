(** H4, isolation: at dial 1 a head mixes only its own window, so by induction over the layers nothing else arrives. *)
Require Import Reals Lra Lia List ZArith.
From Localist Require Import Functions Sums Stack.
Import ListNotations.
Open Scope R_scope.

Theorem some_instance : exists a, possible a /\ same_windows a /\ changed_outside a.
Proof.
  exists (Stack R (Layer R [Head R (fun _ _ _ _ => 0) (fun x => x)] 1 0 (fun x _ => x)) [] 1 1 (fun _ => 0) (fun _ => 0) 0
    (fun y => nth 0 y 0)).
  split; [split; [simpl; auto |] | split].
  - intros l [<- | []]. simpl. lra.
  - intros l [<- | []]. reflexivity.
  - intros p _. reflexivity.
Qed.

(** Terms that are 0 outside a part of the list do not count. *)
Lemma sum_filter : forall {A : Type} (b : A -> bool) (f : A -> R) l, (forall i, In i l -> b i = false -> f i = 0) ->
  sum f l = sum f (filter b l).
Proof.
  intros A b f l. induction l as [| i l I]; intros Z; [reflexivity |]. simpl.
  rewrite I by (intros; apply Z; simpl; auto). destruct (b i) eqn:E; [reflexivity |].
  rewrite (Z i (or_introl eq_refl) E). ring.
Qed.

Lemma filter_swap : forall {A : Type} (b c : A -> bool) l, filter b (filter c l) = filter c (filter b l).
Proof.
  intros A b c l. induction l as [| i l I]; [reflexivity |]. simpl.
  destruct (b i) eqn:B, (c i) eqn:C; simpl; rewrite ?B, ?C, I; reflexivity.
Qed.

Lemma filter_twice : forall {A : Type} (b : A -> bool) l, filter b (filter b l) = filter b l.
Proof.
  intros A b l. induction l as [| i l I]; [reflexivity |]. simpl. destruct (b i) eqn:B; simpl; rewrite ?B, I; reflexivity.
Qed.

(** Layers whose windows start alike have the same ones. *)
Lemma share_alike : forall {A} w (l l' : layer A) p p', (start l mod Zpos w = start l' mod Zpos w)%Z ->
  share w l p p' = share w l' p p'.
Proof.
  intros A w l l' p p' E. unfold share, window_of.
  assert (S : exists t, start l = (start l' + t * Zpos w)%Z).
  { exists (start l / Zpos w - start l' / Zpos w)%Z.
    pose proof (Z.div_mod (start l) (Zpos w) ltac:(discriminate)). pose proof (Z.div_mod (start l') (Zpos w) ltac:(discriminate)).
    rewrite E in H. lia. }
  destruct S as (t & ->).
  assert (K : forall q, ((Z.of_nat q - (start l' + t * Zpos w)) / Zpos w = (Z.of_nat q - start l') / Zpos w - t)%Z).
  { intros q. replace (Z.of_nat q - (start l' + t * Zpos w))%Z with (Z.of_nat q - start l' + - t * Zpos w)%Z by ring.
    rewrite Z.div_add by discriminate. ring. }
  rewrite !K. destruct (Z.eqb_spec ((Z.of_nat p' - start l') / Zpos w) ((Z.of_nat p - start l') / Zpos w)) as [F | F];
    [apply Z.eqb_eq | apply Z.eqb_neq]; lia.
Qed.

(** Two positions that share a window with a third share it with the same positions. *)
Lemma share_moves : forall {A} w (l : layer A) p q r, share w l p q = true -> share w l q r = share w l p r.
Proof. intros A w l p q r E. unfold share in *. apply Z.eqb_eq in E. now rewrite E. Qed.

Section Facts.
Variables (A : Type) (w : positive) (home : layer A) (place : nat).
(** Two lists of positions that agree on the window, and what stands there. *)
Variables seen seen' : list nat.
Let here := share w home place.
Hypothesis alike : filter here seen = filter here seen'.

Definition agree (x x' : nat -> A) : Prop := forall p, In p (filter here seen) -> x p = x' p.

Lemma attended_alike : forall l h x x' p, (start l mod Zpos w = start home mod Zpos w)%Z -> dial l = 1 -> agree x x' ->
  In p (filter here seen) -> attended w l seen x p h = attended w l seen' x' p h.
Proof.
  intros l h x x' p E D G I.
  assert (S : forall q, share w l p q = here q).
  { intros q. rewrite (share_alike w l home) by exact E. apply filter_In in I as [_ I]. now apply share_moves. }
  assert (T : forall (s : list nat) (z : nat -> A) (f : nat -> R),
    sum (fun q => mass w l h z p q * f q) (earlier s p) = sum (fun q => mass w l h z p q * f q) (earlier (filter here s) p)).
  { intros s z f. unfold earlier. rewrite filter_swap. apply sum_filter. intros q _ O. unfold mass. rewrite S, O, D. ring. }
  assert (U : forall (s : list nat) (z : nat -> A), sum (mass w l h z p) (earlier s p) = sum (fun q => mass w l h z p q * 1) (earlier s p)).
  { intros s z. apply sum_ext. intros; ring. }
  assert (V : forall f f' : nat -> R, (forall q, In q (filter here seen) -> f q = f' q) ->
    sum (fun q => mass w l h x p q * f q) (earlier seen p) = sum (fun q => mass w l h x' p q * f' q) (earlier seen' p)).
  { intros f f' F. rewrite (T seen x f), (T seen' x' f'), <- alike. apply sum_ext. intros q Q. apply filter_In in Q as [Q _].
    rewrite (F q Q). unfold mass. now rewrite (G q Q), (G p I). }
  unfold attended. f_equal.
  - apply V. intros q Q. now rewrite (G q Q).
  - rewrite (U seen x), (U seen' x'). now apply (V (fun _ => 1) (fun _ => 1)).
Qed.

Lemma outputs_alike : forall l x x' p, (start l mod Zpos w = start home mod Zpos w)%Z -> dial l = 1 -> agree x x' ->
  In p (filter here seen) -> outputs w l seen x p = outputs w l seen' x' p.
Proof. intros l x x' p E D G I. apply map_ext. intros h. now apply attended_alike. Qed.

Lemma last_alike : forall rest l x x' p,
  (forall l', In l' (l :: rest) -> (start l' mod Zpos w = start home mod Zpos w)%Z /\ dial l' = 1) -> agree x x' ->
  In p (filter here seen) -> last_outputs w l rest seen x p = last_outputs w l rest seen' x' p.
Proof.
  induction rest as [| l' rest N]; intros l x x' p E G I; simpl.
  - apply outputs_alike; trivial; apply E; simpl; auto.
  - apply N; [intros l'' J; apply E; now right | | exact I]. intros q Q.
    rewrite (G q Q). f_equal. apply outputs_alike; trivial; apply E; simpl; auto.
Qed.
End Facts.

Section Stacks.
Variable a : stack.
Hypothesis P : possible a.
Hypothesis W : same_windows a.
Hypothesis D : forall l, In l (stacked a) -> dial l = 1.

Lemma at_home : In (position a) (own a).
Proof.
  apply filter_In. split; [apply in_seq; destruct P; lia |]. unfold share. apply Z.eqb_refl.
Qed.

Lemma output_alike : forall seen x x', filter (share (window a) (first a) (position a)) seen = own a ->
  (forall p, In p (own a) -> x p = x' p) -> output a seen x = output a (everywhere a) x'.
Proof.
  intros seen x x' S E. unfold output. f_equal. apply (last_alike (content a) (window a) (first a) (position a)).
  - rewrite S. reflexivity.
  - intros l I. split; [now apply W | now apply D].
  - unfold agree. rewrite S. exact E.
  - rewrite S. apply at_home.
Qed.
End Stacks.

(** At a least dial of 1 all dials are 1. *)
Lemma all_hard : forall a, possible a -> lambda_least a = 1 -> forall l, In l (stacked a) -> dial l = 1.
Proof.
  intros a P E l I. pose proof (above_least dial (stacked a) l I) as B. destruct P as [_ D]. specialize (D l I).
  unfold lambda_least in E. lra.
Qed.

(** And where as many as there are have dial 1. *)
Lemma all_counted : forall a, L_1 a = L a -> forall l, In l (stacked a) -> dial l = 1.
Proof.
  intros a. unfold L_1, L. generalize (stacked a). intros s E l I. destruct (Req_EM_T (dial l) 1) as [D | D]; [exact D |].
  exfalso. apply in_split in I as (u & v & ->). rewrite sum_app, count_app in E. simpl in E.
  destruct (Req_EM_T (dial l) 1) as [G | _]; [contradiction |].
  assert (B : forall k : list (layer (content a)), sum (fun l => if Req_EM_T (dial l) 1 then 1 else 0) k <= count k).
  { intros k. rewrite <- (Rmult_1_r (count k)). apply sum_below. intros i _. destruct Req_EM_T; lra. }
  pose proof (B u). pose proof (B v). unfold count in *. simpl length in E. rewrite S_INR in E. lra.
Qed.

Theorem isolation : forall a, possible a -> same_windows a -> changed_outside a -> lambda_least a = 1 -> y_changed a = y a.
Proof.
  intros a P W C E. apply output_alike; trivial. now apply all_hard.
Qed.

Theorem window_alone : forall a, possible a -> same_windows a -> changed_outside a -> L_1 a = L a -> y_alone a = y a.
Proof.
  intros a P W C E. apply output_alike; trivial; [now apply all_counted | apply filter_twice].
Qed.
