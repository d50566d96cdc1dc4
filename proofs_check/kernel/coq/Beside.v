(** A row beside another: what the known results measure. The other row is the one of the scores as seen (G3) or an
    arbitrary distribution (G2). *)
Require Import Reals List.
From Localist Require Import Functions Sums.
From Localist Require Export Row.
Open Scope R_scope.

Lemma some_instance : exists a, possible a.
Proof. exact Row.some_instance. Qed.

(** Euclidean norm of the scores less their mean, over the temperature; variance of the surprise. *)
Definition N (a : row) : R := sqrt (sum (fun i => (score i - mean score (keys a)) ^ 2) (keys a) / tau a ^ 2).
Definition V (a : row) : R :=
  sum (fun i => mass a i * (ln (mass a i) - sum (fun j => mass a j * ln (mass a j)) (keys a)) ^ 2) (keys a).

(** Entropy of the arbitrary distribution, and its total variation from the row. *)
Definition H_p (a : row) : R := sum (fun i => surprise (chosen a i)) (keys a).
Definition TV_p (a : row) : R := / 2 * sum (fun i => Rabs (mass a i - chosen a i)) (keys a).

(** Squared distances of the row and of its scores, over the temperature, from those seen. *)
Definition seen_row (a : row) : row := with_keys a (map as_seen (block a)) (map as_seen (others a)).
Definition D_a (a : row) : R := sum (fun i => (mass a i - mass (seen_row a) (as_seen i)) ^ 2) (keys a).
Definition D_s (a : row) : R := sum (fun i => (score i - seen i) ^ 2 / tau a ^ 2) (keys a).
