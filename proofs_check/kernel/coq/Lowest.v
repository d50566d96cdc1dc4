(** The least entropy of [n] keys whose logits span [r] nats: [top] of them at the upper level, the others at the lower. *)
Require Import Reals Lra Lia List.
From Localist Require Import Functions Sums.
Open Scope R_scope.

Definition with_top (n top : nat) (r : R) : R :=
  let total := INR top * exp r + (INR n - INR top) in ln total - r * INR top * exp r / total.
(** The least over [1 <= top < n]; 0 for one key. *)
Definition LowestEntropy (n r : R) : R :=
  let keys := Z.to_nat (Int_part n) in least (fun top => with_top keys top r) (seq 1 (keys - 1)).

(** At a count of keys the rounding does nothing. *)
Lemma lowest_is : forall n r, LowestEntropy (INR n) r = least (fun top => with_top n top r) (seq 1 (n - 1)).
Proof. intros n r. unfold LowestEntropy. now rewrite Int_part_INR, Nat2Z.id. Qed.
