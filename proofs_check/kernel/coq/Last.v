(** A pre-norm decoder from its last attention layer on, and what dropping the keys off the block moves in its logits. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums Vectors Matrices.
From Localist Require Truncated.
Import ListNotations.
Open Scope R_scope.

(** The heads of the last attention layer on one query; the residual after them; the weights and biases of the layer
    norm before the MLP; the MLP: its number of units, weights by coordinate and unit, biases, and an activation that
    is nowhere steeper than [steepest]; weights and biases of the last layer norm; the unembedding vectors by token and
    coordinate; and the numbers the statement varies. *)
Record last := Last {
  layer : Truncated.truncated; residual : nat -> R; weight_mid : nat -> R; bias_mid : nat -> R;
  units : nat; first : nat -> nat -> R; bias_first : nat -> R; activation : R -> R; steepest : R;
  second : nat -> nat -> R; bias_second : nat -> R; weight_end : nat -> R; bias_end : nat -> R;
  tokens : nat; unembedding : nat -> nat -> R; epsilon_ln : R; S_star : R; rho_star : R
}.

Definition width (a : last) : nat := Truncated.outputs (layer a).

Definition possible (a : last) : Prop :=
  Truncated.possible (layer a) /\ (0 < width a)%nat /\ 0 < epsilon_ln a /\
  (forall x y, Rabs (activation a x - activation a y) <= steepest a * Rabs (x - y)).

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof.
  exists (Last (Truncated.Truncated 1 1 1 1 1 (fun _ _ => 0) (fun _ _ _ => 0) (fun _ _ _ => 0) 1 0) (fun _ => 0)
    (fun _ => 1) (fun _ => 0) 1 (fun _ _ => 1) (fun _ => 0) (fun x => x) 1 (fun _ _ => 1) (fun _ => 0) (fun _ => 1)
    (fun _ => 0) 2 (fun _ _ => 1) 1 1 1).
  unfold possible, Truncated.possible, width. simpl. repeat split; try lia; try lra. intros; lra.
Qed.

Definition coordinates (a : last) : list nat := seq 0 (width a).
Definition hidden (a : last) : list nat := seq 0 (units a).
Definition vocabulary (a : last) : list nat := seq 0 (tokens a).
Definition p_r (a : last) : R := count (coordinates a).

(** A vector less its mean, and layer norm. *)
Definition centred (a : last) (x : nat -> R) (c : nat) : R := x c - mean x (coordinates a).
Definition spread (a : last) (x : nat -> R) : R :=
  sqrt (sum (fun c => centred a x c ^ 2) (coordinates a) / p_r a + epsilon_ln a).
Definition layer_norm (a : last) (gain bias x : nat -> R) (c : nat) : R :=
  gain c * (centred a x c / spread a x) + bias c.

(** From the residual on: the MLP's input, the residual after it, the last layer norm, and the logits. *)
Definition middle (a : last) (x : nat -> R) : nat -> R := layer_norm a (weight_mid a) (bias_mid a) x.
Definition unit (a : last) (y : nat -> R) (h : nat) : R :=
  activation a (sum (fun c => first a c h * y c) (coordinates a) + bias_first a h).
Definition after_mlp (a : last) (x : nat -> R) (c : nat) : R :=
  x c + (sum (fun h => second a c h * unit a (middle a x) h) (hidden a) + bias_second a c).
Definition normed (a : last) (x : nat -> R) : nat -> R := layer_norm a (weight_end a) (bias_end a) (after_mlp a x).
Definition logit (a : last) (x : nat -> R) (t : nat) : R :=
  sum (fun c => unembedding a t c * normed a x c) (coordinates a).

(** The residual when every head drops the keys off the block. *)
Definition moved (a : last) (c : nat) : R :=
  residual a c + sum (fun h => Truncated.move (layer a) h (fun i => Truncated.projected (layer a) h i c))
    (Truncated.every (layer a)).
Definition move_of (a : last) (f : (nat -> R) -> nat -> R) (i : nat) : R := f (moved a) i - f (residual a) i.

Definition S_cut (a : last) : R := Truncated.S_cut (layer a).
Definition r_layer (a : last) : R := Truncated.r_layer (layer a).
Definition gamma_mid (a : last) : R := largest (fun c => Rabs (weight_mid a c)) (coordinates a).
Definition gamma_end (a : last) : R := largest (fun c => Rabs (weight_end a c)) (coordinates a).
Definition M_r (a : last) : R :=
  spectral (first a) (coordinates a) (hidden a) * spectral (second a) (coordinates a) (hidden a) * steepest a.
Definition c_mid (a : last) : R := norm (centred a (residual a)) (coordinates a).
Definition c_end (a : last) : R := norm (centred a (after_mlp a (residual a))) (coordinates a).
Definition D_U (a : last) : R :=
  largest (fun p => norm (fun c => unembedding a (fst p) c - unembedding a (snd p) c) (coordinates a))
    (list_prod (vocabulary a) (vocabulary a)).
Definition n_mid (a : last) : R := norm (move_of a (middle a)) (coordinates a).
Definition r_end (a : last) : R := norm (move_of a (after_mlp a)) (coordinates a).
Definition n_end (a : last) : R := norm (move_of a (normed a)) (coordinates a).
Definition rho_cut (a : last) : R :=
  largest (move_of a (logit a)) (vocabulary a) - least (move_of a (logit a)) (vocabulary a).
