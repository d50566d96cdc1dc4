(** A point of the weights under a group penalty: one block of them, with the loss's gradient there. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors.
Import ListNotations.
Open Scope R_scope.

Record coordinate := Coordinate { weight : R; gradient : R }.
(** The block, its penalty, and the length of a gradient step. *)
Record weights := Weights { coordinates : list coordinate; lambda_g : R; rate : R }.

Definition possible (a : weights) : Prop := 0 < lambda_g a /\ 0 < rate a.

Lemma some_instance : exists a, possible a.
Proof. exists (Weights [Coordinate 1 1] 1 1). unfold possible. simpl. lra. Qed.

Definition w (a : weights) : R := norm weight (coordinates a).
Definition g (a : weights) : R := norm gradient (coordinates a).

(** The proximal gradient step: a gradient step, then [S_t(u) = u max(0, 1 - t/|u|)] with [t] rate times penalty. *)
Definition stepped (a : weights) (i : coordinate) : R := weight i - rate a * gradient i.
Definition kept (a : weights) : R := Rmax 0 (1 - rate a * lambda_g a / norm (stepped a) (coordinates a)).
Definition moved (a : weights) (i : coordinate) : R := stepped a i * kept a.
(** Length of that step: 0 where the point is stationary. *)
Definition r_g (a : weights) : R := norm (fun i => moved a i - weight i) (coordinates a).
