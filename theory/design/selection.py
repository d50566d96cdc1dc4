"""`[selection]`: penalties at which the other feature blocks vanish (C3) and the target block survives (C7).

Both conditions are decided in exact arithmetic for the floats given. From some penalty on the other blocks are zero
(C3). Below some penalty the objective is below uniform attention's loss, so that some block is not zero. Between the
two lies the window, which may be empty: there the block that is left is the target's (C7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from pydantic import model_validator

from theory.design.guarantee import LARGEST_FLOAT, smallest_float
from theory.design.needed import Standing
from theory.design.run_numbers import NonNegative, Positive, Real, Solve, Table

LEAST_FLOAT = 5e-324


class Selection(Table):
    """`[selection]`: one head whose feature blocks share the group penalty `penalty` on `W_Q` and on `W_K` (C3, C7).

    `loss` is the loss at the start, without penalties, `start_norms` the sum of the Frobenius norms of all blocks of
    `W_Q` and `W_K` there. `loss_least` is a lower bound on the loss. `loss_uniform` is the loss with `W_Q = W_K = 0`,
    the least one if other parameters train too. `loss_gradient` bounds `|dL/dO|_F`, `values` the spectral norm of `V`,
    on the sublevel set of the start and between it and uniform attention. `inputs` is the spectral norm of all
    features, `target_inputs` that of the target block's, `other_inputs` the largest of the other blocks'. All are
    assumptions of the user's: nothing here measures them. A head without query and key biases and normalisation.
    """

    penalty: NonNegative | Solve
    loss: Real
    loss_least: Real
    loss_uniform: Real
    start_norms: Positive
    loss_gradient: Positive
    values: Positive
    inputs: Positive
    target_inputs: Positive
    other_inputs: NonNegative

    @model_validator(mode="after")
    def _possible(self) -> Selection:
        for name in ("loss", "loss_uniform"):
            if getattr(self, name) < self.loss_least:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at least loss_least={self.loss_least!r}")
        for name in ("target_inputs", "other_inputs"):
            if getattr(self, name) > self.inputs:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at most inputs={self.inputs!r}, the whole's")
        return self


@dataclass(frozen=True)
class SelectionCheck:
    """The window of penalties, and what the run's own penalty promises.

    The other blocks vanish from `vanish_from` on, the smallest such float, and some block survives up to `survive_to`,
    the largest such float; None if no float does. Where both hold, the target block survives. `product_least` bounds
    its `|W_Q|_F |W_K|_F` from below, None outside the window.
    """

    vanish_from: float | None
    survive_to: float | None
    standing: Standing
    product_least: float | None

    @property
    def empty(self) -> bool:
        """Whether no penalty does both."""
        return self.vanish_from is None or self.survive_to is None or self.vanish_from > self.survive_to

    def window_text(self) -> str:
        """The window in one sentence, its ends as the floats that are decided."""
        if self.empty:
            from_here = "at no penalty" if self.vanish_from is None else f"from {self.vanish_from!r} on"
            to_here = "at no penalty" if self.survive_to is None else f"up to {self.survive_to!r}"
            said = f"no penalty is sure to select the target block: the other blocks vanish {from_here} (C3)"
            return f"{said}, and some block survives {to_here} (C7)"
        ends = f"from {self.vanish_from!r} to {self.survive_to!r}"
        return f"{ends} the other blocks vanish (C3) and the target block survives (C7)"

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return {**vars(self), "standing": self.standing.value, "empty": self.empty}


def check_selection(selection: Selection, width: int, temperature: float) -> SelectionCheck:
    """Whether the penalty makes the other blocks zero and keeps the target block (C3, C7).

    That is said of every stationary point at which the objective is no larger than at the start. The standing is never
    impossible: both conditions are sufficient ones.
    """
    ends = window(selection, width, temperature)
    if selection.penalty == "solve":
        return SelectionCheck(*ends, Standing.POSSIBLE, None)
    penalty = float(selection.penalty)
    both = _vanish(selection, width, temperature, penalty) and _survives(selection, penalty)
    product = _product(selection, width, temperature, penalty) if both else None
    return SelectionCheck(*ends, Standing.GUARANTEED if both else Standing.POSSIBLE, product)


def window(selection: Selection, width: int, temperature: float) -> tuple[float | None, float | None]:
    """The smallest penalty at which the other blocks vanish, and the largest at which the target block survives."""

    def vanish(penalty: float) -> bool:
        return _vanish(selection, width, temperature, penalty)

    def gone(penalty: float) -> bool:
        return not _survives(selection, penalty)

    first = smallest_float(vanish, LEAST_FLOAT, LARGEST_FLOAT) if vanish(LARGEST_FLOAT) else None
    if gone(0.0):
        return first, None
    return first, math.nextafter(smallest_float(gone, 0.0, LARGEST_FLOAT), 0.0) if gone(
        LARGEST_FLOAT
    ) else LARGEST_FLOAT


def _vanish(selection: Selection, width: int, temperature: float, penalty: float) -> bool:
    """C3 with one penalty for all, squared: `4 tau sqrt(d_k) lambda^2 > Lambda v |X_g| |X| (J_0 - L_inf)`."""
    lam = Fraction(penalty)
    drop = Fraction(selection.loss) + lam * Fraction(selection.start_norms) - Fraction(selection.loss_least)
    sizes = (selection.loss_gradient, selection.values, selection.other_inputs, selection.inputs)
    needed = drop * math.prod(map(Fraction, sizes))
    return bool(lam > 0 and (4 * Fraction(temperature) * lam**2) ** 2 * width > needed**2)


def _survives(selection: Selection, penalty: float) -> bool:
    """C7: the objective at the start, penalties included, is below uniform attention's loss."""
    start = Fraction(selection.loss) + Fraction(penalty) * Fraction(selection.start_norms)
    return start < Fraction(selection.loss_uniform)


def _product(selection: Selection, width: int, temperature: float, penalty: float) -> float:
    """C7's lower bound `2 tau sqrt(d_k) (L_u - J_0)/(Lambda |V|_2 |X|_2^2)`, rounded down.

    The square root of the width is taken from below.
    """
    start = Fraction(selection.loss) + Fraction(penalty) * Fraction(selection.start_norms)
    root = Fraction(math.isqrt(width * 4**60), 2**60)
    sizes = (selection.loss_gradient, selection.values, selection.target_inputs, selection.target_inputs)
    exact = (
        2 * Fraction(temperature) * root * (Fraction(selection.loss_uniform) - start) / math.prod(map(Fraction, sizes))
    )
    try:
        rounded = float(exact)
    except OverflowError:
        return LARGEST_FLOAT
    return math.nextafter(rounded, 0.0) if Fraction(rounded) > exact else rounded
