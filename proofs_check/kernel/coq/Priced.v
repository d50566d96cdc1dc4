(** Layers with weights and leaks, the dials at a price, arbitrary dials, and the layers picked for a fidelity. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** How many layers, each one's weight and leak, two prices, arbitrary dials, one layer, a fidelity, the layers picked. *)
Record priced_layers := PricedLayers {
  layers : nat; weight : nat -> R; leak : nat -> R; nu_K : R; nu_more : R; other : nat -> R; here : nat; F_target : R;
  picked : list nat
}.

Definition each (a : priced_layers) : list nat := seq 0 (layers a).

Definition possible (a : priced_layers) : Prop :=
  (here a < layers a)%nat /\ (forall i, 0 < leak a i < 1) /\ 0 < nu_K a /\ 0 < nu_more a /\
  (forall i, 0 <= other a i <= 1) /\ 0 < F_target a < 1 /\ NoDup (picked a) /\
  (forall i, In i (picked a) -> (i < layers a)%nat).

(** What F4 asks besides. *)
Definition positive_weights (a : priced_layers) : Prop := forall i, 0 < weight a i.

(** Fidelity that a dial adds: it takes [1 - dial] of the mass off the block, and renormalises. *)
Definition gained (x leak : R) : R := (1 - leak) / (1 - leak + leak * (1 - x)) - (1 - leak).
(** The weighted sum of the layers' gains. *)
Definition cost (a : priced_layers) (dial : nat -> R) : R := sum (fun i => weight a i * gained (dial i) (leak a i)) (each a).

(** The dial in [0, 1] at which a cost less the price of the dial is least; of several, their infimum. *)
Definition priced (price w e : R) : R :=
  real (Glb_Rbar (fun x => 0 <= x <= 1 /\
    forall y, 0 <= y <= 1 -> w * gained x e - price * x <= w * gained y e - price * y)).
Definition dial_at (a : priced_layers) (price : R) (i : nat) : R := priced price (weight a i) (leak a i).

Definition L (a : priced_layers) : R := INR (layers a).
Definition c_l (a : priced_layers) : R := weight a (here a).
Definition epsilon (a : priced_layers) : R := leak a (here a).
Definition lambda_nu (a : priced_layers) : R := dial_at a (nu_K a) (here a).
Definition S_nu (a : priced_layers) : R := sum (dial_at a (nu_K a)) (each a).
Definition S_more (a : priced_layers) : R := sum (dial_at a (nu_more a)) (each a).
Definition S_p (a : priced_layers) : R := sum (other a) (each a).
Definition d_p (a : priced_layers) : R := largest (fun i => Rabs (other a i - dial_at a (nu_K a) i)) (each a).
Definition K_nu (a : priced_layers) : R := cost a (dial_at a (nu_K a)).
Definition K_p (a : priced_layers) : R := cost a (other a).
Definition K_mean (a : priced_layers) : R := cost a (fun _ => mean (dial_at a (nu_K a)) (each a)).

(** Slope of a layer's cost in the dial, from [inside / (inside + outside (1 - dial))]. *)
Definition slope_of (a : priced_layers) (x : R) (i : nat) : R :=
  weight a i * (1 - leak a i) * leak a i / (1 - leak a i + leak a i * (1 - x)) ^ 2.
Definition nu_0 (a : priced_layers) : R := least (slope_of a 0) (each a).
Definition nu_1 (a : priced_layers) : R := largest (slope_of a 1) (each a).

(** A layer's own dial: the least that leaves [inside / (inside + outside (1 - dial))] at the fidelity or above. *)
Definition own (a : priced_layers) (i : nat) : R :=
  Rmax 0 (1 - (1 - leak a i) / leak a i * ((1 - F_target a) / F_target a)).
Definition own_cost (a : priced_layers) (i : nat) : R := weight a i * gained (own a i) (leak a i).
(** The layers from the least cost of the own dial up; the first of them, as many as are picked. *)
Fixpoint inserted (k : nat -> R) (i : nat) (l : list nat) : list nat :=
  match l with
  | [] => [i]
  | j :: l' => if Rle_dec (k i) (k j) then i :: l else j :: inserted k i l'
  end.
Fixpoint ordered (k : nat -> R) (l : list nat) : list nat :=
  match l with [] => [] | i :: l' => inserted k i (ordered k l') end.
Definition cheapest (a : priced_layers) : list nat := firstn (length (picked a)) (ordered (own_cost a) (each a)).
(** The own dials of some layers, 0 in the others. *)
Definition only (a : priced_layers) (chosen : list nat) (i : nat) : R :=
  if existsb (Nat.eqb i) chosen then own a i else 0.
(** How many layers have the fidelity. *)
Definition reached (a : priced_layers) (dial : nat -> R) : R :=
  sum (fun i => if Rle_dec (F_target a) (1 - leak a i + gained (dial i) (leak a i)) then 1 else 0) (each a).
Definition N_f (a : priced_layers) : R := count (picked a).
Definition N_own (a : priced_layers) : R := reached a (only a (cheapest a)).
Definition N_p (a : priced_layers) : R := reached a (other a).
Definition K_own (a : priced_layers) : R := cost a (only a (cheapest a)).
Definition K_pick (a : priced_layers) : R := cost a (only a (picked a)).
