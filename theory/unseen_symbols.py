"""The letters of H4 and H5: a stack of layers with windows, and windows measured and not yet seen."""

from __future__ import annotations

from sympy import Interval, Naturals, Naturals0

from theory.symbols import REALS, UNIT, letter

_CLOSED_UNIT = Interval(0, 1)

dial_least = letter("lambda_least", _CLOSED_UNIT, "least dial of the layers")
hard_layers = letter("L_1", Naturals0, "layers whose dial is 1, a hard mask")
output = letter("y", REALS, "output of the last layer at a position")
output_changed = letter("y_changed", REALS, "the same once tokens outside the position's window have changed")
output_alone = letter("y_alone", REALS, "the same where the layers see the position's window alone")

measured = letter("N_w", Naturals, "windows measured")
rank = letter("k_w", Naturals, "rank, from the smallest, of a measured window's least margin")
distinct = letter("n_w", Naturals, "different least margins of the windows, the new one among them")
kept_new = letter("P_new", _CLOSED_UNIT, "probability that the new window's rows all reach the margin of rank k_w")

share = letter("p_w", UNIT, "share of windows that violate a promise")
error = letter("alpha_w", UNIT, "one minus the confidence")
seen = letter("V_w", Naturals0, "violating windows, of the measured")
together = letter("g_w", Naturals, "windows that violate the promise together: 1 if the measured ones are independent")
few = letter("P_V", _CLOSED_UNIT, "probability that at most V_w of N_w independent windows violate")
few_beta = letter("I_V", _CLOSED_UNIT, "probability that a Beta(V_w + 1, N_w - V_w) variable is at most p_w")
covered = letter("C_w", _CLOSED_UNIT, "probability that the Beta bound at the violations measured is at least p_w")
population = letter("M_w", Naturals, "windows of the corpus from which N_w are drawn without replacement")
covered_drawn = letter("C_M", _CLOSED_UNIT, "probability that the bound on a corpus is at least its violating windows")
few_drawn = letter("P_M", _CLOSED_UNIT, "probability that at most V_w of the windows drawn from the corpus violate")
few_drawn_more = letter("P_M+1", _CLOSED_UNIT, "the same if one window more of the corpus violates, unless all do")
