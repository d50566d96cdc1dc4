(** Logits before and after a move, their next-token distributions, and what H2 measures on them. *)
Require Import Reals Lra List Arith.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** How many tokens there are; the logit of each, and its move. *)
Record logits := Logits { tokens : nat; before : nat -> R; move : nat -> R }.

Definition possible (a : logits) : Prop := (1 < tokens a)%nat.

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof. exists (Logits 2 (fun _ => 0) (fun _ => 0)). unfold possible; simpl. auto. Qed.

Definition every (a : logits) : list nat := seq 0 (tokens a).
Definition after (a : logits) (i : nat) : R := before a i + move a i.

(** Softmax over some tokens, and the distances of two of them. *)
Definition mass (l : list nat) (z : nat -> R) (i : nat) : R := exp (z i) / sum (fun j => exp (z j)) l.
Definition variation (l : list nat) (z z' : nat -> R) : R := sum (fun i => Rabs (mass l z' i - mass l z i)) l / 2.
Definition divergence (l : list nat) (z z' : nat -> R) : R :=
  sum (fun i => mass l z i * (ln (mass l z i) - ln (mass l z' i))) l.

Definition rho_z (a : logits) : R := largest (move a) (every a) - least (move a) (every a).
Definition TV_z (a : logits) : R := variation (every a) (before a) (after a).
Definition KL_z (a : logits) : R := divergence (every a) (before a) (after a).
Definition KL_back (a : logits) : R := divergence (every a) (after a) (before a).
Definition l_z (a : logits) : R :=
  largest (fun i => Rabs (ln (mass (every a) (after a) i) - ln (mass (every a) (before a) i))) (every a).
(** Two tokens whose logits' gap moves from minus half the range to half of it. *)
Definition TV_pair (a : logits) : R :=
  variation [0%nat; 1%nat] (fun i => if Nat.eqb i 0 then 0 else rho_z a / 2)
    (fun i => if Nat.eqb i 0 then rho_z a / 2 else 0).
