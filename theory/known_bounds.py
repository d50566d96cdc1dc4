"""Known results on one row as numbers: the numeric face of G."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from theory.checked import count, is_exact, real, require, scalar
from theory.stable import mixture_entropy_of_logit


def entropy_min_zhai(n: Any, norm: Any) -> Any:
    """Smallest entropy in nats of a row of `n` keys at that norm of the scores (G1, Zhai et al. 2023; attained).

    `norm` is the Euclidean norm of the row's scores less their mean, over the temperature; a spectral norm of the
    logits is at least that. Incomparable with `theory.bounds.entropy_min`: the larger of the two holds.

    >>> from sympy import Integer
    >>> entropy_min_zhai(n=Integer(16), norm=Integer(0))
    log(16)
    >>> round(float(entropy_min_zhai(1000, 6 * (999 / 1000) ** 0.5)), 2)
    5.52
    """
    if is_exact(n, norm):
        from theory import exact_design

        return exact_design.entropy_min_zhai(n, norm)
    keys, spread = np.broadcast_arrays(count("n", n, at_least=2), real("norm", norm))
    require(spread >= 0, "norm", spread, "be at least 0")
    gap = spread * np.sqrt(keys / (keys - 1))
    return scalar(mixture_entropy_of_logit(gap - np.log(keys - 1), 1.0, keys - 1, np, special))
