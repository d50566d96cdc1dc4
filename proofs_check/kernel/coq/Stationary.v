(** A head at a stationary point of the penalised objective: the loss, a function of the batch's outputs, and the group
    penalties. *)
Require Import Reals Lra List.
From Localist Require Import Functions Sums Vectors Matrices.
From Localist Require Head HeadSlope.
Import ListNotations.
Open Scope R_scope.

Definition outcome := Head.sequence -> nat -> nat -> R.
(** The head; the loss, a lower bound of it, and one that need hold only for outputs that some weights give; penalties
    on the block of [W_Q], on that of [W_K], and one for both. *)
Record point := Point {
  head : Head.head; loss : outcome -> R; L_inf : R; loss_above : forall o, L_inf <= loss o;
  L_least : R; loss_least : forall wq wk, L_least <= loss (Head.output (HeadSlope.with_weights head wq wk));
  lambda_Q : R; lambda_K : R; lambda_g : R
}.

Definition width (a : point) : nat := Head.width (head a).
Definition temperature (a : point) : R := Head.temperature (head a).
Definition possible (a : point) : Prop :=
  (0 < width a)%nat /\ 0 < temperature a /\ 0 <= lambda_Q a /\ 0 <= lambda_K a /\ 0 < lambda_g a.

(** The outputs, of queries and keys that are not normalised, and those at [W_Q = W_K = 0]. *)
Definition outputs (a : point) : outcome := Head.output (head a).
Definition emptied (h : Head.head) : Head.head :=
  HeadSlope.with_weights h (fun _ _ => 0) (fun _ _ => 0).
Definition outputs_0 (a : point) : outcome := Head.output (emptied (head a)).

Definition block_rows (a : point) : list nat := seq 0 (Head.block (head a)).
Definition all_rows (a : point) : list nat := seq 0 (Head.block (head a) + Head.rest (head a)).
Definition columns (a : point) : list nat := seq 0 (width a).

Definition no_bias (a : point) : Prop := forall c, Head.b_Q (head a) c = 0 /\ Head.b_K (head a) c = 0.
Definition one_live_block (a : point) : Prop :=
  forall f c, In f (all_rows a) -> ~ In f (block_rows a) -> Head.W_Q (head a) f c = 0 /\ Head.W_K (head a) f c = 0.

(** [Z] is a subgradient of the Frobenius norm at [W]: the gradient [W/|W|], or at 0 anything no longer than 1. *)
Definition subgradient (a : point) (W Z : nat -> nat -> R) : Prop :=
  frobenius Z (block_rows a) (columns a) <= 1 /\
  sum (fun f => sum (fun c => Z f c * W f c) (columns a)) (block_rows a) = frobenius W (block_rows a) (columns a).
(** 0 lies in the loss's gradient plus the penalty's subdifferential, in the live block of either weight. *)
Definition level (a : point) (gradient W : nat -> nat -> R) (penalty : R) : Prop :=
  exists Z, subgradient a W Z /\ forall f c, In f (block_rows a) -> In c (columns a) -> gradient f c + penalty * Z f c = 0.
Definition stationary (a : point) : Prop :=
  level a (Head.grad_Q (head a)) (Head.W_Q (head a)) (lambda_Q a) /\
  level a (Head.grad_K (head a)) (Head.W_K (head a)) (lambda_K a).

(** Outputs on the way from those at 0, where [t] is 0, to those here, where it is 1. *)
Definition between (a : point) (t : R) : outcome := fun s i c => outputs_0 a s i c + t * (outputs a s i c - outputs_0 a s i c).
(** Inner product of matrices of the batch's outputs. *)
Definition inner (a : point) (M N : outcome) : R :=
  sum (fun t => sum (fun c => Head.stack M t c * Head.stack N t c) (seq 0 (Head.outputs (head a)))) (Head.stacked (head a)).
Definition size (a : point) (M : outcome) : R :=
  frobenius (Head.stack M) (Head.stacked (head a)) (seq 0 (Head.outputs (head a))).
Definition Lambda (a : point) : R := Head.Lambda (head a).
(** On that way the loss has a gradient in the outputs, which is the head's [pull] here and no longer than [Lambda]. *)
Definition slope_bounded (a : point) : Prop := exists gradient : R -> outcome,
  gradient 1 = Head.pull /\
  forall t, 0 <= t <= 1 -> size a (gradient t) <= Lambda a /\
    derivable_pt_lim (fun u => loss a (between a u)) t
      (inner a (gradient t) (fun s i c => outputs a s i c - outputs_0 a s i c)).

Definition tau (a : point) : R := Head.tau (head a).
Definition d_k (a : point) : R := Head.d_k (head a).
Definition v (a : point) : R := Head.v (head a).
Definition x_g (a : point) : R := Head.x_g (head a).
Definition x (a : point) : R := spectral (Head.stack Head.inputs) (Head.stacked (head a)) (all_rows a).
Definition x_off (a : point) : R :=
  spectral (Head.stack Head.inputs) (Head.stacked (head a)) (seq (Head.block (head a)) (Head.rest (head a))).
Definition w_Q (a : point) : R := frobenius (Head.W_Q (head a)) (block_rows a) (columns a).
Definition w_K (a : point) : R := frobenius (Head.W_K (head a)) (block_rows a) (columns a).

(** Loss and objective at the point, whose penalties are its own; the objective here and at 0 with [lambda_g] on all. *)
Definition L_0 (a : point) : R := loss a (outputs a).
Definition J_0 (a : point) : R := L_0 a + (lambda_Q a * w_Q a + lambda_K a * w_K a).
Definition J_W (a : point) : R := L_0 a + lambda_g a * (w_Q a + w_K a).
Definition J_o (a : point) : R := loss a (outputs_0 a).
