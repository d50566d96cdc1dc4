"""The kinds of instance that statements are about: the sentences that hold for every instance of a kind.

A statement's `about` names its kind. An instance also keeps the domains of the statement's letters; whatever else the
statement needs is among its `assumptions`.
"""

from __future__ import annotations

from collections.abc import Mapping

BLOCK_AND_COMPLEMENT = "the target block and its complement hold at least one key each"
ARBITRARY_ROW = "an arbitrary distribution over the keys has masses that are not negative and sum to 1"
RATE_POSITIVE = "the proximal gradient step has a positive rate"
RUN_NOT_EMPTY = "the run has at least one step"
RATES = "the learning rates eta_t are not negative; clauses with eta take one rate for all steps"
ADAM_RATES = "the learning rates eta_t and epsilon are not negative"
WIDTH_POSITIVE = "the head has at least one column"
HEAD = "S = Q K^T / sqrt(d_k), causal or not, A = softmax(S / tau), O = A V"
LAYER_EXISTS = "the layer is one of the layers"
LEAKS = "every layer has a leak in (0, 1)"
WEIGHTS_OF_POINTER = "how often each block is the target and each is pointed at: not negative, and not all 0"
SITUATIONS = "situations in which the condition holds: positive weights, fidelities in [0, 1]"
PROMISE_IS_LEAST = "the promise f is the least fidelity the rule gives where it fires"
MASSES = "every key has a positive mass before any rule"
VERSIONS = "versions of a checker, each at work for a number of times; every version fires somewhere"
COPIES = "the block holds copies of one anchor, at least one, and its complement at least one key"
ANCHOR_OF_KEY = "each key has an anchor; those of the query's own anchor are the block"
QUERIES = "causal rows: query q sees keys 0 to q, and its target is the part of its own window that it sees"
CHOICE = "keys of the block are counted, at least one, and keys outside are singled out, but not all; any may be chosen"

ABOUT: Mapping[str, tuple[str, ...]] = {
    "row": (BLOCK_AND_COMPLEMENT, ARBITRARY_ROW),
    "row beside another": (
        BLOCK_AND_COMPLEMENT,
        ARBITRARY_ROW,
        "the other row is that of the scores as seen, or an arbitrary distribution over the same keys",
    ),
    "row with chosen keys": (BLOCK_AND_COMPLEMENT, CHOICE),
    "row by distance": (
        BLOCK_AND_COMPLEMENT,
        "keys at the distances 0, 1, 2, ..., of which the block holds the nearest",
        "a score is the key's content score less a_s times its distance",
    ),
    "context": (QUERIES, "every score is finite"),
    "sparse row": (
        BLOCK_AND_COMPLEMENT,
        ARBITRARY_ROW,
        "the row maximises <s,p> - (tau/2)|p|^2 - sum_g lambda_g |p_g|_2 over the simplex",
    ),
    "weight block": (RATE_POSITIVE, "one block of weights under the penalty lambda_g times its Euclidean norm"),
    "head": (HEAD, "queries and keys may have biases; the inputs are a batch of sequences"),
    "stationary head": (
        HEAD,
        "the objective is the loss plus the sum of each block's penalty times its Frobenius norm",
    ),
    "descent": (RUN_NOT_EMPTY, RATES, "the momentum buffer is mu times itself plus the gradient"),
    "adam run": (
        RUN_NOT_EMPTY,
        ADAM_RATES,
        "AdamW or its AMSGrad form, with bias correction; the run may start after Adam's memory has been filled",
    ),
    "surviving block": (BLOCK_AND_COMPLEMENT, WIDTH_POSITIVE, "scores are <W_K x, q> / sqrt(d_k)"),
    "anchored head": (BLOCK_AND_COMPLEMENT, ANCHOR_OF_KEY),
    "anchor set": ("distinct or equal anchors in R^p_u", "random anchors are independent and uniform on the sphere"),
    "copied anchor": (COPIES,),
    "pointer channel": (WEIGHTS_OF_POINTER,),
    "rule set": (
        MASSES,
        "every rule is active; its strength is added to the scores of its target",
    ),
    "checker": (SITUATIONS, PROMISE_IS_LEAST),
    "reloaded checker": (
        SITUATIONS,
        VERSIONS,
        "a version keeps the least fidelity that the rule gives where it fires; the promise f is the least of them",
        "each version's misses are counted in independent cases; the error of its bound is chosen before",
    ),
    "truncated layer": (
        BLOCK_AND_COMPLEMENT,
        "one query's rows in the heads of a layer, over the same keys; a clause on one head is of any of them",
        "the layer's output is the sum of the heads' outputs after the output projection W_O",
    ),
    "last layer": (
        BLOCK_AND_COMPLEMENT,
        "a pre-norm decoder from its last attention layer on: layer norm, MLP, residual sum, layer norm, unembedding",
        "layer norm is gamma c/sqrt(|c|^2/p_r + epsilon_ln) of the residual less its mean, c, and a bias",
        "one query's rows in the heads of that layer, and the residual after it",
    ),
    "moved logits": ("the logits of two tokens or more, before and after a move, and their softmax",),
    "schedule": (LAYER_EXISTS, LEAKS),
    "layer stack": (
        "causal attention in every layer, its windows at regular places, under a dial of the layer's own",
        "what else a layer does acts on each position by itself",
    ),
    "window sample": (
        "windows of one row or more, of which all but a new one are measured",
        "a window violates a promise if one of its rows does",
        "the Beta bound on the share is the share at which I_V is 1 - alpha_w, and 1 if every window violates",
        "the bound on a corpus is the largest number of violating windows at which P_M is above alpha_w",
    ),
    "set of priced layers": (LAYER_EXISTS, LEAKS, "no more layers are wanted, or picked, than there are"),
}
