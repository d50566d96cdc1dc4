(** A schedule of the dial over the layers, a steeper one, and what the statements measure on them. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** How many layers, one of them, two exponents, the largest dial and the one a layer needs, and each layer's leak and
    weight. *)
Record schedule := Schedule {
  layers : nat; here : nat; beta_s : R; beta_t : R; lambda_max : R; lambda_star : R;
  leak : nat -> R; weight : nat -> R
}.

Definition possible (a : schedule) : Prop :=
  (here a < layers a)%nat /\ 0 <= beta_s a /\ 0 <= beta_t a /\
  0 < lambda_max a <= 1 /\ 0 < lambda_star a <= 1 /\ (forall i, 0 < leak a i < 1).

(** What F3 asks besides. *)
Definition positive_weights (a : schedule) : Prop := forall i, 0 < weight a i.

Definition L (a : schedule) : R := INR (layers a).
Definition l (a : schedule) : R := INR (here a).
Definition each (a : schedule) : list nat := seq 0 (layers a).
(** How deep a layer lies, from 0 to 1. *)
Definition share (a : schedule) (i : nat) : R := INR i / (L a - 1).

(** [x^b] for [x, b >= 0], with [0^0 = 1]. *)
Definition power (x b : R) : R := if Rlt_dec 0 x then Rpower x b else if Rlt_dec 0 b then 0 else 1.
Definition dial (a : schedule) (b : R) (i : nat) : R := lambda_max a * power (share a i) b.
Definition lambda_l (a : schedule) : R := dial a (beta_s a) (here a).
Definition lambda_t (a : schedule) : R := dial a (beta_t a) (here a).

(** Budgets. *)
Definition S_ (n : nat) (a : schedule) : R := sum (fun i => share a i ^ n) (each a).
Definition S_1 := S_ 1.
Definition S_2 := S_ 2.
Definition S_3 := S_ 3.
Definition S_4 := S_ 4.
Definition S_5 := S_ 5.

(** How many layers reach the needed dial. *)
Definition N_star (a : schedule) : R :=
  sum (fun i => if Rle_dec (lambda_star a) (dial a (beta_s a) i) then 1 else 0) (each a).

(** Fidelity that a dial adds: it takes [1 - dial] of the mass off the block, and renormalises. *)
Definition gained (x leak : R) : R := (1 - leak) / (1 - leak + leak * (1 - x)) - (1 - leak).
Definition epsilon (a : schedule) : R := leak a (here a).
Definition F_gain (a : schedule) : R := gained (lambda_l a) (epsilon a).

(** Cost of a schedule: the layers' gains, each with its own leak, weighted. *)
Definition cost (a : schedule) (b : R) : R := sum (fun i => weight a i * gained (dial a b i) (leak a i)) (each a).
Definition K_s (a : schedule) : R := cost a (beta_s a).
Definition K_t (a : schedule) : R := cost a (beta_t a).

(** Cost with one leak in every layer and the dials scaled to the steeper schedule's mean. *)
Definition scale (a : schedule) (b : R) : R :=
  sum (fun i => power (share a i) (beta_t a)) (each a) / sum (fun i => power (share a i) b) (each a).
Definition even_cost (a : schedule) (b : R) : R := sum (fun i => gained (scale a b * dial a b i) (leak a 0)) (each a).
Definition K_s_even (a : schedule) : R := even_cost a (beta_s a).
Definition K_t_even (a : schedule) : R := even_cost a (beta_t a).
