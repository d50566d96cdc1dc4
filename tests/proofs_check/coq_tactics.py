"""Tactics with which Coq encloses the values of letters; those of Interval, which a few kinds need more than."""

HEAD = """
Require Import Reals List Lra.
From Interval Require Import Tactic.
From Localist Require Import Functions Sums {modules}.
Import ListNotations.
Open Scope R_scope.
Lemma min_is : forall x y, Rmin x y = (x + y - Rabs (x - y)) / 2.
Proof. intros x y. unfold Rmin, Rabs. destruct (Rle_dec x y), (Rcase_abs (x - y)); lra. Qed.
Lemma max_is : forall x y, Rmax x y = (x + y + Rabs (x - y)) / 2.
Proof. intros x y. unfold Rmax, Rabs. destruct (Rle_dec x y), (Rcase_abs (x - y)); lra. Qed.
Ltac decided := match goal with
  | |- context [Rle_dec ?x ?y] => let L := fresh in destruct (Rle_dec x y) as [L | L];
      [try (exfalso; apply (Rle_not_lt _ _ L); interval) | try (exfalso; apply L; interval)]
  | |- context [Req_EM_T ?x ?y] => let L := fresh in destruct (Req_EM_T x y) as [L | L];
      [try (exfalso; first [apply (Rlt_not_eq y x); [interval | symmetry; exact L]
        | apply (Rlt_not_eq x y); [interval | exact L]]) | try (exfalso; apply L; field)]
  end.
{powers}Ltac evaluate :=
  cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rabs Rmin Rmax Rle Rle_dec Req_EM_T exp ln sqrt Rpower pow IZR{kept}];
  simpl pow; rewrite ?min_is, ?max_is{written}; unfold Rpower; repeat decided; interval with (i_prec 100).
"""

# A schedule's powers are the library's but for 0^b.
POWERS = """Ltac powers := match goal with |- context [power ?x ?b] =>
  first [rewrite (power_pos x b) by interval | replace x with 0 by field; rewrite power_0 by lra] end.
"""
# A matrix of one column has that column's norm, and one of none has norm 0.
COLUMNS = """Ltac columns :=
  rewrite ?spectral_column, ?spectral_none;
  cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rabs Rmin Rmax Rle exp ln sqrt pow IZR];
  simpl pow; rewrite ?min_is, ?max_is.
"""

# Suprema are not evaluated: one mix of the columns of a game and one of its rows show its value.
GAME = """Ltac mixed :=
  split; [intros i; cbv beta; repeat match goal with |- context [Nat.eqb ?x ?y] => destruct (Nat.eqb x y) end; lra
  | cbv -[Rplus Rmult Rdiv Rinv IZR]; lra].
Ltac valued :=
  cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rmin Rmax Rle IZR]; unfold Rmin, Rmax; repeat destruct Rle_dec; lra.
Ltac game name g p y v := pose proof (value_is 2 3 g p y v
  ltac:(repeat constructor) ltac:(repeat constructor) ltac:(mixed) ltac:(mixed) ltac:(valued) ltac:(valued)) as [A B];
  unfold name; change (rules instance) with 2%nat; change (keys instance) with 3%nat; rewrite ?A, ?B;
  unfold Rabs; destruct Rcase_abs; lra.
"""

# A Beta probability is that of more misses; which of the bounds fail is decided.
BETAS = """Ltac betas :=
  rewrite ?beta_is by (repeat constructor); cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rabs Rmin Rmax Rlt_dec Rle IZR pow];
  simpl pow; rewrite ?min_is, ?max_is;
  repeat match goal with |- context [Rlt_dec ?x ?y] => let L := fresh in destruct (Rlt_dec x y) as [L | L];
    [try (exfalso; apply (Rlt_not_le _ _ L); interval) | try (exfalso; apply L; interval)] end.
"""
# A vector shows the spectral norm of the projection (1 2 2 4), which Lagrange's identity bounds.
SPECTRAL = """Ltac lagrange y :=
  intros y; cbv -[Rplus Rmult Rdiv Rinv Rle sqrt IZR]; intros Y; apply Rle_trans with (sqrt (5 * 5));
  [apply sqrt_le_1_alt; pose proof (Rle_0_sqr (2 * y 0%nat 0%nat - y 0%nat 1%nat));
   pose proof (Rle_0_sqr (2 * y 0%nat 0%nat - y 1%nat 0%nat));
   pose proof (Rle_0_sqr (4 * y 0%nat 0%nat - y 1%nat 1%nat));
   pose proof (Rle_0_sqr (2 * y 0%nat 1%nat - 2 * y 1%nat 0%nat));
   pose proof (Rle_0_sqr (4 * y 0%nat 1%nat - 2 * y 1%nat 1%nat));
   pose proof (Rle_0_sqr (4 * y 1%nat 0%nat - 2 * y 1%nat 1%nat)); unfold Rsqr in *; lra
  | rewrite sqrt_square; lra].
Ltac spectral := rewrite ?(spectral_is instance
    (fun h c => (if Nat.eqb h 0 then 1 else 2) * (if Nat.eqb c 0 then 1 else 2) / 5) 5);
  [| cbv -[Rplus Rmult Rdiv Rinv Rle IZR]; lra
   | apply Rle_trans with (sqrt (5 * 5));
     [rewrite sqrt_square; lra | cbv -[Rplus Rmult Rdiv Rinv Rle sqrt IZR]; apply sqrt_le_1_alt; lra]
   | let y := fresh in lagrange y].
"""
# The priced dials have a closed form; layers are ordered once costs are compared; own dials have just the fidelity.
PRICES = """Ltac exactly := apply Req_le;
  repeat first [rewrite Rabs_pos_eq by interval | rewrite Rabs_left by interval]; field; lra.
Ltac reached := match goal with |- context [Rle_dec (3 / 4) ?y] =>
  let E := fresh in assert (E : 3 / 4 <= y) by exactly; destruct (Rle_dec (3 / 4) y) as [_ | []]; [| exact E] end.
Ltac compared := match goal with |- context [Rle_dec (?x * ?y) ?z] => let L := fresh in
  destruct (Rle_dec (x * y) z) as [L | L];
  [try (exfalso; apply (Rle_not_lt _ _ L); interval) | try (exfalso; apply L; interval)] end.
Ltac prices := repeat (rewrite priced_is by lra); rewrite ?min_is, ?max_is;
  repeat (first [compared | reached | decided];
    cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rabs Rmin Rmax Rle Rle_dec exp ln sqrt pow IZR];
    rewrite ?min_is, ?max_is).
"""
# What follows the MLP is evaluated from enclosures of the residual there: written out it is too large.
ENDED = """Ltac enclosed t :=
  let s := eval cbv -[Rplus Rminus Rmult Rdiv Rinv Ropp Rabs Rle exp ln sqrt pow IZR] in t in
  let s := eval simpl pow in s in
  let H := fresh in interval_intro s with (i_prec 100) as H; change s with t in H.
Ltac ended :=
  enclosed (after_mlp instance (residual instance) 0%nat); enclosed (after_mlp instance (residual instance) 1%nat);
  enclosed (after_mlp instance (moved instance) 0%nat); enclosed (after_mlp instance (moved instance) 1%nat);
  unfold r_end, n_end, rho_cut, move_of, logit, normed, layer_norm, spread, centred, mean;
  generalize dependent (after_mlp instance (moved instance)); intros y ? ?;
  generalize dependent (after_mlp instance (residual instance)); intros x ? ?.
"""
# The definitions that a kind's goals need before them, and what is done in the goal of a letter before `evaluate`.
BEFORE = {"rule set": GAME, "truncated layer": SPECTRAL, "last layer": ENDED}
FIRST = {"W_O": "spectral; ", "r_end": "ended; ", "n_end": "ended; ", "rho_cut": "ended; "}
# For each kind whose letters need more: lemmas and tactics, what they rewrite, and how.
MORE = {
    "schedule": (POWERS, " power", "; repeat powers"),
    "head": (COLUMNS, " spectral", "; columns"),
    "stationary head": (COLUMNS, " spectral", "; columns"),
    "last layer": (COLUMNS, " spectral", "; columns"),
    "set of priced layers": (PRICES, " priced", "; prices"),
    "reloaded checker": (BETAS, " Rlt_dec beta_chance", "; betas"),
}
