"""Numbers as a user writes them: `START:STOP:STEP` or a list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory.errors import DomainError

MOST_VALUES = 10**10


def parse_values(text: str, where: str, most: int = MOST_VALUES) -> NDArray[np.float64]:
    """The values of `start:stop:step`, the ends included where the step meets them, or of a list `a,b,c`.

    Raises DomainError, whose message begins with `where`, if the text is neither, a number is not finite, or
    there are more than `most` values.

    >>> parse_values("0:1:0.25", "dial")
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    >>> parse_values("0:1:0.6", "dial")
    array([0. , 0.6])
    """
    try:
        numbers = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError:
        raise DomainError(f"{where} must be START:STOP:STEP or A,B,C in numbers") from None
    if not np.isfinite(numbers).all():
        raise DomainError(f"{where} must hold finite numbers")
    if ":" not in text:
        return np.array(numbers)
    if len(numbers) != 3:
        raise DomainError(f"{where} must be START:STOP:STEP or A,B,C in numbers")
    start, stop, step = numbers
    if not (step > 0 and stop >= start):
        raise DomainError(f"{where} must have start <= stop and a positive step")
    count = (stop - start) / step
    if count > most:
        raise DomainError(f"{where} has {count:.3g} values, which must be at most {float(most):g}")
    # Half a rounding of slack keeps an end that the step meets up to float error.
    whole = int(np.floor(count * (1 + 4e-16) + 1e-9))
    return np.asarray(start + step * np.arange(whole + 1), dtype=np.float64)
