(** Causal attention layers with windows and dials, what they read, and what comes out at one position. *)
Require Import Reals Lra List ZArith.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** One coordinate of a head: scores over the temperature, of what stands at two positions, and values. Several
    coordinates of one head are several of these with the same scores. *)
Record head (A : Type) := Head { score : A -> A -> nat -> nat -> R; value : A -> R }.
(** Heads, the dial, a token at which a window starts, and what else the layer does at one position. *)
Record layer (A : Type) := Layer { heads : list (head A); dial : R; start : Z; after : A -> list R -> A }.
(** What stands at a position, the layers, the length of a window, how many tokens are read, these and the changed ones,
    a position, and a number of what the last layer's heads give there. *)
Record stack := Stack {
  content : Type; first : layer content; more : list (layer content); window : positive; tokens : nat;
  token : nat -> content; changed : nat -> content; position : nat; reading : list R -> R
}.
Arguments score {A}. Arguments value {A}. Arguments heads {A}. Arguments dial {A}. Arguments start {A}. Arguments after {A}.

Definition stacked (a : stack) : list (layer (content a)) := first a :: more a.

(** The number of a position's window, and whether two share one. *)
Definition window_of {A} (w : positive) (l : layer A) (p : nat) : Z := ((Z.of_nat p - start l) / Zpos w)%Z.
Definition share {A} (w : positive) (l : layer A) (p p' : nat) : bool := Z.eqb (window_of w l p') (window_of w l p).

(** A head's output at position [p], where the positions [seen] are there: masses outside the window take the dial. *)
Definition mass {A} (w : positive) (l : layer A) (h : head A) (x : nat -> A) (p p' : nat) : R :=
  exp (score h (x p) (x p') p p') * (if share w l p p' then 1 else 1 - dial l).
Definition earlier (seen : list nat) (p : nat) : list nat := filter (fun p' => Nat.leb p' p) seen.
Definition attended {A} (w : positive) (l : layer A) (seen : list nat) (x : nat -> A) (p : nat) (h : head A) : R :=
  sum (fun p' => mass w l h x p p' * value h (x p')) (earlier seen p) / sum (mass w l h x p) (earlier seen p).
Definition outputs {A} (w : positive) (l : layer A) (seen : list nat) (x : nat -> A) (p : nat) : list R :=
  map (attended w l seen x p) (heads l).
(** The outputs of the last layer; each other hands on what it makes of each position by itself. *)
Fixpoint last_outputs {A} (w : positive) (l : layer A) (rest : list (layer A)) (seen : list nat) (x : nat -> A) (p : nat)
  : list R :=
  match rest with
  | [] => outputs w l seen x p
  | l' :: rest' => last_outputs w l' rest' seen (fun p' => after l (x p') (outputs w l seen x p')) p
  end.
Definition output (a : stack) (seen : list nat) (x : nat -> content a) : R :=
  reading a (last_outputs (window a) (first a) (more a) seen x (position a)).

Definition everywhere (a : stack) : list nat := seq 0 (tokens a).
(** The positions in the first layer's window of the position. *)
Definition own (a : stack) : list nat := filter (share (window a) (first a) (position a)) (everywhere a).

Definition possible (a : stack) : Prop :=
  (position a < tokens a)%nat /\ (forall l, In l (stacked a) -> 0 <= dial l <= 1).

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof.
  exists (Stack R (Layer R [Head R (fun _ _ _ _ => 0) (fun x => x)] 1 0 (fun x _ => x)) [] 1 1 (fun _ => 0) (fun _ => 0) 0
    (fun y => nth 0 y 0)).
  split; [simpl; auto |]. intros l [<- | []]. simpl. lra.
Qed.

(** Every layer has the same windows; no token of the position's own window changes. *)
Definition same_windows (a : stack) : Prop :=
  forall l, In l (stacked a) -> (start l mod Zpos (window a) = start (first a) mod Zpos (window a))%Z.
Definition changed_outside (a : stack) : Prop := forall p, In p (own a) -> changed a p = token a p.

Definition L (a : stack) : R := count (stacked a).
Definition lambda_least (a : stack) : R := least dial (stacked a).
Definition L_1 (a : stack) : R := sum (fun l => if Req_EM_T (dial l) 1 then 1 else 0) (stacked a).
Definition y (a : stack) : R := output a (everywhere a) (token a).
Definition y_changed (a : stack) : R := output a (everywhere a) (changed a).
Definition y_alone (a : stack) : R := output a (own a) (token a).
