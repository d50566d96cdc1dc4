(* Tactics that `certify` tries on an inequality over a box. Nothing here is an assumption: Coq checks what they make. *)
From Coq Require Import Reals Lra Psatz.
Open Scope R_scope.

(* Splits ranges such as 0 <= x < 1, and writes out what nra and interval do not know. *)
Ltac start := intros; repeat match goal with H : _ /\ _ |- _ => destruct H end;
  unfold Rpower, cosh, sinh, tanh in *.

(* Goes through the cases of Rmax, Rmin and Rabs. *)
Ltac cases := unfold Rmax, Rmin, Rabs in *; repeat match goal with
  | |- context [Rle_dec ?a ?b] => destruct (Rle_dec a b)
  | |- context [Rcase_abs ?a] => destruct (Rcase_abs a) end.

(* The form that interval decides: a difference and a constant, over closed ranges. *)
Ltac compared := repeat match goal with H : _ < _ |- _ => apply Rlt_le in H end;
  try apply Rminus_le; try apply Rminus_lt.

Ltac algebra := first [lra | nra].

(* Puts a variable for each reciprocal, exponential, logarithm and root, with a fact that bounds it. *)
Ltac facts := unfold Rdiv in *; repeat match goal with
  | |- context [/ ?t] => let P := fresh in let Q := fresh in assert (P : 0 < t) by algebra;
      assert (Q : t * / t = 1) by (apply Rinv_r; lra);
      pose proof (Rinv_0_lt_compat t P); generalize dependent (/ t); intros
  | |- context [exp ?t] => pose proof (exp_ineq1_le t); pose proof (exp_pos t); generalize dependent (exp t); intros
  | |- context [ln ?t] => let P := fresh in let Q := fresh in assert (P : 0 < t) by algebra;
      pose proof (exp_ineq1_le (ln t)) as Q; rewrite (exp_ln t P) in Q; generalize dependent (ln t); intros
  | |- context [sqrt ?t] => let P := fresh in assert (P : 0 <= t) by algebra;
      pose proof (sqrt_pos t); pose proof (sqrt_sqrt t P); generalize dependent (sqrt t); intros end.
