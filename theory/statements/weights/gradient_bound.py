"""C2: how large the loss's gradient in the query and key weights of a head can be.

A head has inputs `X` (rows tokens, columns split into feature blocks `g`), `Q = sum_g X_g W_{Q,g}`, `K` likewise, with
or without biases but not normalised, `S = Q K^T/sqrt(d_k)`, `A = softmax(S/tau)`, causal or not, and `O = A V`. In a
batch every norm of values, keys and queries is the largest over its sequences, and the inputs are stacked.
"""

from __future__ import annotations

from sympy import Expr, Le, S, exp, sqrt, symbols

from theory.derivation import Equal, Positive, Step, cauchy_schwarz_step
from theory.statement import Assumption, Clause, Kind, Statement
from theory.symbols import tau
from theory.weight_symbols import (
    Lam,
    d_k,
    grad_K,
    grad_Q,
    k_centred,
    k_norm,
    peak,
    q_norm,
    stretch,
    v_centred,
    v_norm,
    x_centred,
    x_g,
)

PER_KEY_NORM = Lam * v_norm * x_g / (2 * tau * sqrt(d_k))
"""`C_g`: the bound for a block of `W_Q` over the spectral norm of the keys."""
GRADIENT_MAX = PER_KEY_NORM * k_norm


def _softmax_jacobian() -> tuple[Step, ...]:
    s, a, share, x = symbols("s a b x", real=True)
    rest = symbols("Z", positive=True)
    mass = exp(s / tau) / (exp(s / tau) + rest)
    return (
        Equal("a softmax moves with its own logit by a (1 - a)/tau", mass.diff(s), mass * (1 - mass) / tau),
        Equal(
            "and with another's by -a b/tau: the Jacobian is (diag(a) - a a^T)/tau",
            (exp(x / tau) / (exp(s / tau) + exp(x / tau) + rest)).diff(s),
            -exp(x / tau) * exp(s / tau) / (exp(s / tau) + exp(x / tau) + rest) ** 2 / tau,
        ),
        Equal(
            "one row's absolute entries add up to 2 a (1 - a), so its norm is at most the largest of these",
            a * (1 - a) + a * (1 - a),
            2 * a * (1 - a),
        ),
        Equal(
            "and each is at most 1/2",
            2 * a * (1 - a),
            S.Half - 2 * (a - S.Half) ** 2,
        ),
        Equal(
            "its rows add up to 0: a constant added to all values, or to all keys, changes nothing",
            a - a * (a + share) - a * (1 - a - share),
            S.Zero,
        ),
    )


def _chain() -> tuple[Step, ...]:
    jacobian, excess = symbols("j x", nonnegative=True)
    return (
        cauchy_schwarz_step(
            "|M N|_F <= |M|_F |N|_2, row by row, for dL/dA = (dL/dO) V^T, dL/dQ = (dL/dS) K and X_g^T dL/dQ"
        ),
        Positive(
            "the factors multiply to the bound, the Jacobian's being at most 1/2",
            GRADIENT_MAX - (GRADIENT_MAX * 2 * jacobian).subs(jacobian, S.Half / (1 + excess)),
            strict=False,
        ),
        Equal("two tokens attain it", _slope_at_two_tokens(), _bound_at_two_tokens()),
    )


_size, _key, _value, _pull = symbols("x c y g", positive=True)


def _slope_at_two_tokens() -> Expr:
    """Gradient in the one weight, at 0, from the definition: inputs `(x, -x)`, keys `(c, -c)`, values `(y, -y)`."""
    weight = symbols("w", real=True)
    loss = S.Zero
    for sign in (1, -1):
        logit = sign * weight * _size * _key / (tau * sqrt(d_k))
        output = (exp(logit) * _value - exp(-logit) * _value) / (exp(logit) + exp(-logit))
        loss += sign * _pull * output
    return loss.diff(weight).subs(weight, 0)


def _bound_at_two_tokens() -> Expr:
    norms = {x_g: _size, k_norm: _key, v_norm: _value, Lam: _pull}
    return GRADIENT_MAX.subs({norm: sqrt(2) * entry for norm, entry in norms.items()})


def _derive() -> tuple[Step, ...]:
    return (*_softmax_jacobian(), *_chain())


_KEY_BOUND = GRADIENT_MAX.subs(k_norm, q_norm)

NO_NORMALISATION = Assumption("no normalisation", "queries and keys are not normalised")

GRADIENT_BOUND = Statement(
    id="C2",
    name="gradient-bound",
    title="The gradient in the query and key weights is bounded by the norms of inputs, keys and values",
    kind=Kind.SHARP,
    source="own, after seed claim on explicit thresholds (arXiv 2510.09338); softmax is 1/2-Lipschitz (known)",
    about="head",
    assumptions=(NO_NORMALISATION,),
    claim=(
        Clause("query", Le(grad_Q, GRADIENT_MAX)),
        Clause("key", Le(grad_K, _KEY_BOUND)),
        Clause("query, centred", Le(grad_Q, GRADIENT_MAX.subs({v_norm: v_centred, k_norm: k_centred}))),
        Clause("key, centred", Le(grad_K, _KEY_BOUND.subs({v_norm: v_centred, x_g: x_centred}))),
        Clause("jacobian", Le(stretch, S.Half)),
        Clause("jacobian, of this row", Le(stretch, 2 * peak)),
    ),
    derive=_derive,
)
