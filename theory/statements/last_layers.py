"""H3: what dropping the keys off the block in the last attention layer moves in the logits.

A pre-norm decoder: after the last attention layer the residual passes a layer norm and an MLP, which adds to it, then
the last layer norm and the unembedding. Assumed: this order, layer norm as `gamma c/sqrt(|c|^2/p + epsilon_ln)` of the
centred residual `c`, plus a bias, and an activation with a largest slope (GELU: 1.129).
"""

from __future__ import annotations

from sympy import And, Expr, Le, Lt, S, log, oo, sqrt, symbols

from theory.derivation import Equal, Limit, Positive, Step, cauchy_schwarz_step
from theory.output_symbols import (
    S_star,
    apart,
    c_end,
    c_mid,
    eps_ln,
    gain_end,
    gain_mid,
    mlp,
    move_end,
    move_mid,
    move_res,
    p_r,
    rho_cut,
    rho_star,
)
from theory.statement import Clause, Kind, Statement
from theory.symbols import S_cut, r_layer


def norm_slope(gain: Expr, length: Expr, moved: Expr) -> Expr:
    """Largest stretch of layer norm where a centred residual of this length moves by at most `moved`, below it."""
    return sqrt(p_r) * gain / sqrt((length - moved) ** 2 + p_r * eps_ln)


def residual_growth(moved: Expr) -> Expr:
    """What a move of the residual, at most `moved` long, is stretched by in passing the MLP."""
    return 1 + mlp * norm_slope(gain_mid, c_mid, moved)


def amplification(moved: Expr) -> Expr:
    """`A`: range of the logits' moves per length of the residual's move, of at most `moved`."""
    growth = residual_growth(moved)
    return apart * norm_slope(gain_end, c_end, growth * moved) * growth


def within(moved: Expr) -> And:
    """Whether the moves stay below the lengths of the residuals that they move, as the amplification needs."""
    return And(Lt(moved, c_mid), Lt(residual_growth(moved) * moved, c_end))


def _norm_steps() -> tuple[Step, ...]:
    along, across, gap, damping = symbols("a b c kappa", positive=True)
    root = sqrt(along**2 + damping)
    return (
        Equal(
            "c/sqrt(|c|^2 + kappa) has the slope 1/root across c",
            (across / sqrt(along**2 + across**2 + damping)).diff(across).subs(across, 0),
            1 / root,
        ),
        Positive("along c it has less: layer norm stretches no move by more", 1 / root - (along / root).diff(along)),
        Positive("1/root falls with the length: on the way it is at most that at |c| - |e|", -(1 / root).diff(along)),
        Positive(
            "and rises with what the move may be, so a bound on the move will do",
            (1 / sqrt((along - across) ** 2 + damping)).diff(across).subs(along, across + gap),
        ),
    )


def _derive() -> tuple[Step, ...]:
    move, leak_odds, share = symbols("e o t", positive=True)
    leak = 1 / (1 + leak_odds)
    return (
        *_norm_steps(),
        Equal(
            "the MLP adds at most its norms' product times the move of its input",
            move + mlp * (norm_slope(gain_mid, c_mid, move) * move),
            residual_growth(move) * move,
        ),
        cauchy_schwarz_step("two logits' moves differ by <u_s - u_t, f>, at most |u_s - u_t| |f|"),
        Equal(
            "at the leak t/A the threshold of A3 has the slope 1/(1 - t/A) in log A",
            log(leak_odds).diff(leak_odds) / log(share / leak).diff(leak_odds),
            1 / (1 - leak),
        ),
        Limit(
            "so each e-fold of amplification costs one nat of margin, and a little more where the leak is not small",
            1 / (1 - leak),
            leak_odds,
            oo,
            S.One,
            "-",
        ),
    )


LAST_LAYERS = Statement(
    id="H3",
    name="last-layers",
    title="What the last attention layer drops moves the logits by at most an amplification of leak times distance",
    kind=Kind.ONE_SIDED,
    source="own; elementary",
    uses=("A3", "H1"),
    about="last layer",
    claim=(
        Clause("first norm", Le(move_mid, norm_slope(gain_mid, c_mid, r_layer) * r_layer), Lt(r_layer, c_mid)),
        Clause("residual", Le(move_res, residual_growth(r_layer) * r_layer), Lt(r_layer, c_mid)),
        Clause("last norm", Le(move_end, norm_slope(gain_end, c_end, move_res) * move_res), Lt(move_res, c_end)),
        Clause("logits", Le(rho_cut, apart * move_end)),
        Clause("composition", Le(rho_cut, amplification(S_cut) * S_cut), within(S_cut)),
        Clause(
            "leak suffices",
            Le(rho_cut, rho_star),
            And(Le(S_cut, S_star), within(S_star), Le(amplification(S_star) * S_cut, rho_star)),
        ),
    ),
    derive=_derive,
)
