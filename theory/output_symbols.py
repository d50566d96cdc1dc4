"""The letters of H2 and H3: logits that move, and what a move of the residual does to them; see `theory.symbols`."""

from __future__ import annotations

from sympy import Interval

from theory.symbols import NONNEGATIVE, letter

_CLOSED_UNIT = Interval(0, 1)

rho = letter("rho_z", NONNEGATIVE, "range of the logits' moves: the largest move less the smallest, nats")
TV_z = letter("TV_z", _CLOSED_UNIT, "total variation between the next-token distributions before and after")
TV_pair = letter("TV_pair", _CLOSED_UNIT, "the same of two tokens whose logits' gap moves from -rho_z/2 to rho_z/2")
KL_z = letter("KL_z", NONNEGATIVE, "divergence of the distribution before from that after, nats")
KL_back = letter("KL_back", NONNEGATIVE, "divergence of the distribution after from that before, nats")
move_log = letter("l_z", NONNEGATIVE, "largest move of a token's log-probability, nats")
