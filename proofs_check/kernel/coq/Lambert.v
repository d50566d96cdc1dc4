(** The two real branches of Lambert's function, as suprema, and that they invert [w e^w]. *)
Require Import Reals Lra.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions.
Open Scope R_scope.

(** The branch from -1 up, and the one from -1 down. *)
Definition LambertW_0 (x : R) : R := real (Lub_Rbar (fun w => -1 <= w /\ w * exp w <= x)).
Definition LambertW_m1 (x : R) : R := real (Lub_Rbar (fun w => w <= -1 /\ x <= w * exp w)).

(** [w e^w] rises from -1 up and falls before. *)
Lemma product_slope : forall w, derivable_pt_lim (fun w => w * exp w) w ((1 + w) * exp w).
Proof. intros w. apply is_derive_Reals. auto_derive; [trivial | ring]. Qed.

Lemma product_rises : forall v w, -1 <= v -> v < w -> v * exp v < w * exp w.
Proof.
  intros v w V L. destruct (MVT_cor2 (fun w => w * exp w) (fun w => (1 + w) * exp w) v w L
    (fun c _ => product_slope c)) as (c & E & I & J).
  assert (0 < (1 + c) * exp c * (w - v)); [| lra].
  apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; [lra | apply exp_pos] | lra].
Qed.

Lemma product_falls : forall v w, w <= -1 -> v < w -> w * exp w < v * exp v.
Proof.
  intros v w V L. destruct (MVT_cor2 (fun w => w * exp w) (fun w => (1 + w) * exp w) v w L
    (fun c _ => product_slope c)) as (c & E & I & J).
  assert (0 < - (1 + c) * exp c * (w - v)); [| lra].
  apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; [lra | apply exp_pos] | lra].
Qed.

(** A set with a member and a bound has a supremum, which is a number. *)
Lemma supremum : forall (E : R -> Prop) x b, E x -> (forall y, E y -> y <= b) ->
  x <= real (Lub_Rbar E) <= b.
Proof.
  intros E x b X B. destruct (Lub_Rbar_correct E) as [U L].
  specialize (U x X). specialize (L (Finite b) (fun y Y => B y Y)).
  destruct (Lub_Rbar E); simpl in *; tauto || lra.
Qed.

(** The upper branch lies below whatever has a larger product, the lower above whatever has. *)
Lemma LambertW_0_below : forall x v, - exp (-1) <= x -> -1 <= v -> x <= v * exp v -> LambertW_0 x <= v.
Proof.
  intros x v X V L. apply (supremum (fun w => -1 <= w /\ w * exp w <= x) (-1)); [lra |].
  intros w [W P]. apply Rnot_lt_le. intros N. pose proof (product_rises v w V N). lra.
Qed.

Lemma LambertW_m1_above : forall x v, v <= -1 -> x <= v * exp v -> v <= LambertW_m1 x.
Proof. intros x v V L. apply (supremum (fun w => w <= -1 /\ x <= w * exp w) v (-1)); tauto. Qed.

(** Each branch inverts [w e^w] on its side of -1. *)
Lemma LambertW_0_inverts : forall w, -1 <= w -> LambertW_0 (w * exp w) = w.
Proof.
  intros w W. apply Rle_antisym.
  - apply LambertW_0_below; [| exact W | lra]. destruct W as [W | <-]; [| lra].
    pose proof (product_rises (-1) w ltac:(lra) W). lra.
  - apply (supremum (fun v => -1 <= v /\ v * exp v <= w * exp w) w w); [lra |].
    intros v [V P]. apply Rnot_lt_le. intros N. pose proof (product_rises w v W N). lra.
Qed.

Lemma LambertW_m1_inverts : forall w, w <= -1 -> LambertW_m1 (w * exp w) = w.
Proof.
  intros w W. apply Rle_antisym; [| apply LambertW_m1_above; lra].
  apply (supremum (fun v => v <= -1 /\ w * exp w <= v * exp v) w w); [lra |].
  intros v [V P]. apply Rnot_lt_le. intros N. pose proof (product_falls w v V N). lra.
Qed.
