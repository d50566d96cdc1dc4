(** One attention row, and every letter the statements measure on it, straight from the definitions. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** A key: its score, its value (one coordinate), its score as somebody else measured it, and the unnormalised mass
    that an arbitrary distribution gives it. *)
Record key := Key { score : R; value : R; seen : R; weight : R }.

(** The keys a query sees, target block and complement, with everything the statements vary. *)
Record row := Row {
  block : list key; others : list key;
  tau : R; lambda : R; pi : R; epsilon_target : R; F_target : R; lambda_more : R
}.

Definition keys (a : row) : list key := block a ++ others a.

(** What is asked of a row: both parts hold a key, and every number lies where its letter says. *)
Definition possible (a : row) : Prop :=
  block a <> [] /\ others a <> [] /\ 0 < tau a /\ 0 <= lambda a < 1 /\ 0 <= pi a /\
  0 < epsilon_target a < 1 /\ 0 < F_target a < 1 /\
  (forall i, In i (keys a) -> 0 <= weight i) /\ 0 < sum weight (keys a) /\ 0 <= lambda_more a < 1.

(** The assumptions on a row can be met. *)
Lemma some_instance : exists a, possible a.
Proof.
  exists (Row [Key 1 0 1 1] [Key 0 0 0 1] 1 (1 / 2) 1 (1 / 10) (9 / 10) (3 / 4)).
  unfold possible; simpl. repeat split; try discriminate; try lra.
  intros i [<- | [<- | []]]; simpl; lra.
Qed.

(** Softmax of the scores over the temperature. *)
Definition boltzmann (a : row) (i : key) : R := exp (score i / tau a).
Definition mass (a : row) (i : key) : R := boltzmann a i / sum (boltzmann a) (keys a).
(** What a mass adds to an entropy; at mass 0 the product is 0, whatever [ln 0]. *)
Definition surprise (p : R) : R := - p * ln p.

Definition m (a : row) : R := count (block a).
Definition k (a : row) : R := count (others a).
Definition F (a : row) : R := sum (mass a) (block a).
Definition epsilon (a : row) : R := sum (mass a) (others a).

Definition delta (a : row) : R := least score (block a) - largest score (others a).
Definition delta_mean (a : row) : R := mean score (block a) - largest score (others a).
Definition delta_top (a : row) : R := largest score (block a) - mean score (others a).
Definition Delta (a : row) : R := ln (mean (boltzmann a) (block a)) - ln (mean (boltzmann a) (others a)).
Definition d (a : row) : R := delta a / tau a.
Definition d_mean (a : row) : R := delta_mean a / tau a.
Definition r (a : row) : R := (largest score (keys a) - least score (keys a)) / tau a.

Definition H (a : row) : R := sum (fun i => surprise (mass a i)) (keys a).
Definition H_B (a : row) : R := sum (fun i => surprise (mass a i / F a)) (block a).
Definition H_C (a : row) : R := sum (fun i => surprise (mass a i / epsilon a)) (others a).
Definition sbar_B (a : row) : R := sum (fun i => mass a i / F a * score i) (block a).
Definition sbar_C (a : row) : R := sum (fun i => mass a i / epsilon a * score i) (others a).
Definition vbar_B (a : row) : R := sum (fun i => mass a i / F a * value i) (block a).
Definition vbar_C (a : row) : R := sum (fun i => mass a i / epsilon a * value i) (others a).
Definition diam_V (a : row) : R := largest value (keys a) - least value (keys a).

(** The same key with its score raised, and the same row with other keys. *)
Definition raised (by_ : R) (i : key) : key := Key (score i + by_) (value i) (seen i) (weight i).
Definition with_keys (a : row) (inside outside : list key) : row :=
  Row inside outside (tau a) (lambda a) (pi a) (epsilon_target a) (F_target a) (lambda_more a).

(** The dial raises the block's scores by [-tau log(1 - lambda)]; the penalty lowers those outside by [pi]. *)
Definition bias (a : row) : R := - tau a * ln (1 - lambda a).
Definition dialled (a : row) : row := with_keys a (map (raised (bias a)) (block a)) (others a).
Definition penalised (a : row) : row := with_keys a (block a) (map (raised (- pi a)) (others a)).

Definition F_lambda (a : row) : R := F (dialled a).
Definition epsilon_lambda (a : row) : R := epsilon (dialled a).
Definition H_lambda (a : row) : R := H (dialled a).
(** The same row with the dial at its other setting. *)
Definition set_more (a : row) : row :=
  Row (block a) (others a) (tau a) (lambda_more a) (pi a) (epsilon_target a) (F_target a) (lambda_more a).
Definition H_more (a : row) : R := H_lambda (set_more a).
Definition epsilon_pi (a : row) : R := epsilon (penalised a).
(** Entropy under the hard mask: softmax over the block alone. *)
Definition masked_mass (a : row) (i : key) : R := boltzmann a i / sum (boltzmann a) (block a).
Definition H_1 (a : row) : R := sum (fun i => surprise (masked_mass a i)) (block a).

(** A key's mass with the dial on, for a key of the block and for one outside. *)
Definition mass_in (a : row) (i : key) : R := mass (dialled a) (raised (bias a) i).
Definition mass_out (a : row) (i : key) : R := mass (dialled a) i.
Definition TV (a : row) : R :=
  / 2 * (sum (fun i => Rabs (mass_in a i - mass a i)) (block a)
       + sum (fun i => Rabs (mass_out a i - mass a i)) (others a)).
Definition KL (a : row) : R :=
  sum (fun i => mass_in a i * (ln (mass_in a i) - ln (mass a i))) (block a)
  + sum (fun i => mass_out a i * (ln (mass_out a i) - ln (mass a i))) (others a).
Definition output (a : row) : R := sum (fun i => mass a i * value i) (keys a).
Definition Delta_o (a : row) : R := output (dialled a) - output a.

Definition o_plain (a : row) : R := output a.
Definition o_lambda (a : row) : R := output (dialled a).
Definition o_B (a : row) : R := sum (fun i => masked_mass a i * value i) (block a).
(** A further key whose score over the temperature is the log-sum-exp of the block's, and whose value is 0. *)
Definition null_weight (a : row) : R := exp (ln (sum (boltzmann a) (block a))).
Definition p_null (a : row) : R := null_weight a / (null_weight a + sum (boltzmann a) (keys a)).
Definition o_null (a : row) : R :=
  sum (fun i => boltzmann a i / (null_weight a + sum (boltzmann a) (keys a)) * value i) (keys a).

(** As many keys as a list has, all with the score [s]. *)
Definition level (s : R) (l : list key) : list key := map (fun _ => Key s 0 0 1) l.
(** The row of the same sizes whose block stands at [s], at temperature 1, and whose others stand at 0. *)
Definition two_level_at (s : R) (a : row) : row :=
  Row (level s (block a)) (level 0 (others a)) 1 0 0 (1 / 2) (1 / 2) 0.
Definition two_level (a : row) : row := two_level_at (d a) a.
Definition epsilon_two (a : row) : R := epsilon (two_level a).
Definition H_two (a : row) : R := H (two_level a).
(** The row of the same sizes with all keys at 0 but one of the block and one outside, the separation apart. *)
Definition one_at (s : R) (l : list key) : list key := Key s 0 0 1 :: level 0 (tl l).
Definition pair_row (a : row) : row :=
  Row (one_at ((1 - Logistic (d a)) * d a) (block a)) (one_at (- Logistic (d a) * d a) (others a))
    1 0 0 (1 / 2) (1 / 2) 0.
Definition H_pair (a : row) : R := H (pair_row a).

(** The scores as somebody else measured them. *)
Definition as_seen (i : key) : key := Key (seen i) (value i) (seen i) (weight i).
Definition u (a : row) : R := largest (fun i => Rabs (score i - seen i)) (keys a).
Definition delta_seen (a : row) : R := delta (with_keys a (map as_seen (block a)) (map as_seen (others a))).

(** The penalised objective [<s,p> + tau H(p) - pi p(C)], at an arbitrary distribution and at the shifted softmax. *)
Definition chosen (a : row) (i : key) : R := weight i / sum weight (keys a).
Definition J_p (a : row) : R :=
  sum (fun i => chosen a i * score i) (keys a) - pi a * sum (chosen a) (others a)
  + tau a * sum (fun i => surprise (chosen a i)) (keys a).
Definition J_a (a : row) : R :=
  sum (fun i => mass (penalised a) i * score i) (keys (penalised a)) + tau a * H (penalised a).
