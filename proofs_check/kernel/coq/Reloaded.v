(** A checker that is replaced while it runs: its versions, one after the other, and what is said of their misses. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From Localist Require Import Functions Sums Checker.
Import ListNotations.
Open Scope R_scope.

(** A version of the checker, at how many times it is at work, in how many independent cases its misses are counted, the
    error of the bound on them, and any other number. *)
Record version := Version { check : checker; times : nat; measured : nat; error : R; claimed : R }.
(** The versions, how many of the first times are left out, and the error of all bounds at once. *)
Record reloaded := Reloaded { versions : list version; early : nat; alpha_E : R }.

(** The version at work at each time. *)
Definition at_work (a : reloaded) : list version := flat_map (fun v => repeat v (times v)) (versions a).

Definition possible (a : reloaded) : Prop :=
  (forall v, In v (versions a) -> Checker.possible (check v)) /\
  (forall v, In v (versions a) -> caught (check v) <> []) /\
  (early a < length (at_work a))%nat /\ (forall v, In v (versions a) -> 0 < error v) /\ 0 < alpha_E a < 1.

(** The same checker, were the fidelity [p] where the rule fires and 0 where the condition is missed. *)
Definition at_least (p : R) (l : checker) : checker := map (fun i => Situation (weight i) (fired i) 0 p) l.

(** Probability of that many misses in so many independent cases, and of at most that many. *)
Definition chance (n : nat) (x : R) (i : nat) : R := Binomial.C n i * x ^ i * (1 - x) ^ (n - i).
Definition few (n : nat) (x : R) (i : nat) : R := sum (chance n x) (seq 0 (S i)).
(** Probability that a Beta variable with the parameters [i + 1] and [n - i] is at most [x]: its density, integrated. *)
Definition density (n i : nat) (t : R) : R :=
  INR (fact n) / (INR (fact i) * INR (fact (n - i - 1))) * t ^ i * (1 - t) ^ (n - i - 1).
Definition beta_chance (n i : nat) (x : R) : R := RInt (density n i) 0 x.
(** The bound at [i] misses counted is the share at which that probability is one minus the error, so it lies below a
    share at which it is more; where every case is missed, the bound is 1. *)
Definition uncovered (v : version) : R :=
  sum (fun i => if Rlt_dec (1 - error v) (beta_chance (measured v) i (q (check v)))
                then chance (measured v) (q (check v)) i else 0) (seq 0 (measured v)).

Definition f (a : reloaded) : R := least (fun v => Checker.f (check v)) (versions a).
Definition T_q (a : reloaded) : R := count (at_work a).
Definition T_early (a : reloaded) : R := INR (early a).
Definition q_mean (a : reloaded) : R := mean (fun v => q (check v)) (at_work a).
Definition q_late (a : reloaded) : R := largest (fun v => q (check v)) (skipn (early a) (at_work a)).
Definition q_most (a : reloaded) : R := mean claimed (at_work a).
Definition g_q (a : reloaded) : R := least (fun v => claimed v - q (check v)) (at_work a).
Definition E_T (a : reloaded) : R := mean (fun v => E_F (check v)) (at_work a).
Definition E_least (a : reloaded) : R := mean (fun v => E_F (at_least (f a) (check v))) (at_work a).
Definition E_kept (a : reloaded) : R := mean (fun v => E_F (at_least (Checker.f (check v)) (check v))) (at_work a).
Definition alpha_sum (a : reloaded) : R := sum error (versions a).
(** At the worst the bounds fail in turn, never two at once. *)
Definition C_E (a : reloaded) : R := Rmax 0 (1 - sum uncovered (versions a)).
