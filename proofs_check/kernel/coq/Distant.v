(** A row whose scores fall with distance, and what A9 measures on it. *)
Require Import Reals Lra List Arith.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** How many keys the block holds and how many there are outside; each key's content score, by its distance; what a
    score loses per token of distance; the temperature; the leak asked for. The block holds the nearest keys. *)
Record distant := Distant {
  inside : nat; outside : nat; content : nat -> R; a_s : R; tau : R; epsilon_target : R
}.

Definition possible (a : distant) : Prop :=
  (0 < inside a)%nat /\ (0 < outside a)%nat /\ 0 < a_s a /\ 0 < tau a /\ 0 < epsilon_target a < 1.

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof. exists (Distant 1 1 (fun _ => 0) 1 1 (1 / 10)). unfold possible; simpl. repeat split; auto; lra. Qed.

Definition m (a : distant) : R := INR (inside a).
Definition k (a : distant) : R := INR (outside a).
Definition block (a : distant) : list nat := seq 0 (inside a).
Definition others (a : distant) : list nat := seq (inside a) (outside a).
Definition keys (a : distant) : list nat := block a ++ others a.

(** Softmax of the scores over the temperature, for any contents, and its leak off the block. *)
Definition boltzmann (a : distant) (c : nat -> R) (i : nat) : R := exp ((c i - a_s a * INR i) / tau a).
Definition mass (a : distant) (c : nat -> R) (i : nat) : R := boltzmann a c i / sum (boltzmann a c) (keys a).
Definition leak (a : distant) (c : nat -> R) : R := sum (mass a c) (others a).
Definition epsilon (a : distant) : R := leak a (content a).

Definition q_s (a : distant) : R := exp (- a_s a / tau a).
Definition R_c (a : distant) : R := largest (content a) (keys a) - least (content a) (keys a).
(** The same distances, with the block's contents level and those outside level, the range above them. *)
Definition epsilon_ends (a : distant) : R := leak a (fun i => if Nat.ltb i (inside a) then 0 else R_c a).
