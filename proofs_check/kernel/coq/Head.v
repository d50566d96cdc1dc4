(** A head of attention on a batch of sequences, and the loss's gradient in its weights, by the chain rule backwards
    from the output. Rows of matrices are tokens; a token of the batch is a pair of its sequence and its place in it. *)
Require Import Reals Lra List Bool Arith.
From Localist Require Import Functions Sums Vectors Matrices.
Import ListNotations.
Open Scope R_scope.

(** Inputs, values and the loss's gradient in the output, by token and column. *)
Record sequence := Sequence {
  tokens : nat; inputs : nat -> nat -> R; values : nat -> nat -> R; pull : nat -> nat -> R
}.
(** The features of the block, which come first, and the others; widths of queries and keys, and of outputs; weights by
    feature and column, biases by column; an arbitrary vector, which a row's Jacobian may stretch. *)
Record head := Head {
  batch : list sequence; block : nat; rest : nat; width : nat; outputs : nat;
  W_Q : nat -> nat -> R; W_K : nat -> nat -> R; b_Q : nat -> R; b_K : nat -> R;
  causal : bool; temperature : R; probe : nat -> R
}.

Definition possible (a : head) : Prop := (0 < width a)%nat /\ 0 < temperature a.

Lemma some_instance : exists a, possible a.
Proof.
  exists (Head [] 1 0 1 1 (fun _ _ => 0) (fun _ _ => 0) (fun _ => 0) (fun _ => 0) false 1 (fun _ => 0)).
  unfold possible. simpl. split; [constructor | lra].
Qed.

Definition tau (a : head) : R := temperature a.
Definition d_k (a : head) : R := INR (width a).

(** Forwards: queries and keys, which are not normalised, scores, attention, outputs. *)
Definition query (a : head) (s : sequence) (i c : nat) : R :=
  sum (fun f => inputs s i f * W_Q a f c) (seq 0 (block a + rest a)) + b_Q a c.
Definition key (a : head) (s : sequence) (j c : nat) : R :=
  sum (fun f => inputs s j f * W_K a f c) (seq 0 (block a + rest a)) + b_K a c.
Definition score (a : head) (s : sequence) (i j : nat) : R :=
  sum (fun c => query a s i c * key a s j c) (seq 0 (width a)) / sqrt (d_k a).
Definition visible (a : head) (i j : nat) : bool := negb (causal a) || (j <=? i)%nat.
Definition boltzmann (a : head) (s : sequence) (i j : nat) : R :=
  if visible a i j then exp (score a s i j / tau a) else 0.
Definition attention (a : head) (s : sequence) (i j : nat) : R :=
  boltzmann a s i j / sum (boltzmann a s i) (seq 0 (tokens s)).
Definition output (a : head) (s : sequence) (i c : nat) : R :=
  sum (fun j => attention a s i j * values s j c) (seq 0 (tokens s)).

(** Backwards: the loss's gradient in the attention, in the scores, in queries and keys, and in the weights. *)
Definition upstream (a : head) (s : sequence) (i j : nat) : R :=
  sum (fun c => pull s i c * values s j c) (seq 0 (outputs a)).
Definition slope (a : head) (s : sequence) (i j : nat) : R :=
  jacobian (attention a s i) (seq 0 (tokens s)) (upstream a s i) j / tau a.
Definition query_slope (a : head) (s : sequence) (i c : nat) : R :=
  sum (fun j => slope a s i j * key a s j c) (seq 0 (tokens s)) / sqrt (d_k a).
Definition key_slope (a : head) (s : sequence) (j c : nat) : R :=
  sum (fun i => slope a s i j * query a s i c) (seq 0 (tokens s)) / sqrt (d_k a).

(** All tokens of the batch; a matrix of theirs, sequence by sequence. *)
Definition stacked (a : head) : list (sequence * nat) :=
  flat_map (fun s => map (pair s) (seq 0 (tokens s))) (batch a).
Definition stack (M : sequence -> nat -> nat -> R) (t : sequence * nat) (c : nat) : R := M (fst t) (snd t) c.
(** A sequence's matrix with its mean row taken off. *)
Definition centred (M : sequence -> nat -> nat -> R) (s : sequence) (i c : nat) : R :=
  M s i c - mean (fun j => M s j c) (seq 0 (tokens s)).

Definition grad_Q (a : head) (f c : nat) : R :=
  sum (fun t => stack inputs t f * stack (query_slope a) t c) (stacked a).
Definition grad_K (a : head) (f c : nat) : R :=
  sum (fun t => stack inputs t f * stack (key_slope a) t c) (stacked a).

Definition g_Q (a : head) : R := frobenius (grad_Q a) (seq 0 (block a)) (seq 0 (width a)).
Definition g_K (a : head) : R := frobenius (grad_K a) (seq 0 (block a)) (seq 0 (width a)).
Definition Lambda (a : head) : R := frobenius (stack pull) (stacked a) (seq 0 (outputs a)).
Definition x_g (a : head) : R := spectral (stack inputs) (stacked a) (seq 0 (block a)).
Definition x_c (a : head) : R := spectral (stack (centred inputs)) (stacked a) (seq 0 (block a)).

(** Largest spectral norm of the batch. *)
Definition widest (a : head) (M : sequence -> nat -> nat -> R) (columns : nat) : R :=
  largest (fun s => spectral (M s) (seq 0 (tokens s)) (seq 0 columns)) (batch a).
Definition v (a : head) : R := widest a values (outputs a).
Definition kappa_K (a : head) : R := widest a (key a) (width a).
Definition kappa_Q (a : head) : R := widest a (query a) (width a).
Definition v_c (a : head) : R := widest a (centred values) (outputs a).
Definition kappa_c (a : head) : R := widest a (centred (key a)) (width a).

(** The row of the first sequence's last token: how much its Jacobian stretches the arbitrary vector. *)
Definition first (a : head) : sequence :=
  hd (Sequence 0 (fun _ _ => 0) (fun _ _ => 0) (fun _ _ => 0)) (batch a).
Definition last_row (a : head) : nat -> R := attention a (first a) (pred (tokens (first a))).
Definition sigma_J (a : head) : R :=
  let l := seq 0 (tokens (first a)) in norm (jacobian (last_row a) l (probe a)) l / norm (probe a) l.
Definition a_p (a : head) : R := largest (fun j => last_row a j * (1 - last_row a j)) (seq 0 (tokens (first a))).
