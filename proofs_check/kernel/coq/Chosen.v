(** One attention row of which some keys are chosen on either side, and what A8 measures on it. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums.
Import ListNotations.
Open Scope R_scope.

(** Scores: of the block, those counted and the others; of the complement, those singled out and the others. *)
Record chosen := Chosen {
  counted : list R; uncounted : list R; singled : list R; remaining : list R; tau : R
}.

Definition possible (a : chosen) : Prop := counted a <> [] /\ remaining a <> [] /\ 0 < tau a.

(** The assumptions can be met. *)
Lemma some_instance : exists a, possible a.
Proof. exists (Chosen [0] [-1] [2] [-6] 1). unfold possible; simpl. repeat split; try discriminate; lra. Qed.

Definition block (a : chosen) : list R := counted a ++ uncounted a.
Definition others (a : chosen) : list R := singled a ++ remaining a.

(** Softmax of the scores over the temperature. *)
Definition boltzmann (a : chosen) (s : R) : R := exp (s / tau a).
Definition mass (a : chosen) (s : R) : R := boltzmann a s / sum (boltzmann a) (block a ++ others a).

Definition m (a : chosen) : R := count (block a).
Definition k (a : chosen) : R := count (others a).
Definition m_kept (a : chosen) : R := count (counted a).
Definition k_rest (a : chosen) : R := count (remaining a).
Definition epsilon (a : chosen) : R := sum (mass a) (others a).

(** The least score counted, and the largest outside that is not singled out. *)
Definition lowest (a : chosen) : R := least (fun s => s) (counted a).
Definition highest (a : chosen) : R := largest (fun s => s) (remaining a).
Definition W_out (a : chosen) : R := sum (boltzmann a) (singled a) / boltzmann a (lowest a).
Definition d_rest (a : chosen) : R := (lowest a - highest a) / tau a.

(** The scores from the largest down. *)
Fixpoint inserted (s : R) (l : list R) : list R :=
  match l with
  | [] => [s]
  | t :: l' => Rmax s t :: inserted (Rmin s t) l'
  end.
Fixpoint sorted (l : list R) : list R := match l with [] => [] | s :: l' => inserted s (sorted l') end.

(** The same row with as many keys chosen, the largest of either side. *)
Definition with_largest (a : chosen) : chosen :=
  Chosen (firstn (length (counted a)) (sorted (block a))) (skipn (length (counted a)) (sorted (block a)))
    (firstn (length (singled a)) (sorted (others a))) (skipn (length (singled a)) (sorted (others a))) (tau a).
Definition W_top (a : chosen) : R := W_out (with_largest a).
Definition d_top (a : chosen) : R := d_rest (with_largest a).

(** The counted keys at their least score and alone in the block, the others outside at their largest. *)
Definition levelled (a : chosen) : chosen :=
  Chosen (map (fun _ => lowest a) (counted a)) [] (singled a) (map (fun _ => highest a) (remaining a)) (tau a).
Definition epsilon_levels (a : chosen) : R := epsilon (levelled a).
