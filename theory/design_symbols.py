"""The letters of D-G: anchors, rules, schedules, and the known results on one row."""

from __future__ import annotations

from sympy import Interval, Naturals, Naturals0

from theory.symbols import NONNEGATIVE, POSITIVE, REALS, UNIT, letter

_CLOSED_UNIT = Interval(0, 1)

alpha = letter("alpha", POSITIVE, "scale: |q| |key| / sqrt(d_k)")
coherence = letter("mu_u", Interval(-1, 1), "coherence: largest inner product of two different unit anchors")
distance = letter("eta_u", Interval(0, 2), "largest distance of a unit key direction from its anchor")
dimension = letter("p_u", Naturals, "dimension the anchors live in")
anchors = letter("M_u", Naturals, "anchors, at least 2")
coherence_simplex = letter("mu_simplex", Interval(-1, 1), "coherence of the centred basis vectors of R^M")
coherence_orthoplex = letter("mu_orthoplex", Interval(-1, 1), "coherence of the first M of e_1, -e_1, e_2, -e_2, ...")
failure = letter("q_u", UNIT, "probability that random anchors may fail with")

blocks = letter("M", Naturals, "blocks that may be the target, at least 2")
information = letter("I", NONNEGATIVE, "mutual information of the target and where the pointer points, nats")
error = letter("epsilon_M", _CLOSED_UNIT, "probability that the pointer points at another block")
error_allowed = letter("epsilon_allowed", _CLOSED_UNIT, "largest such probability a user allows")

odds = letter("o", POSITIVE, "mass of one key over that of another")
odds_ruled = letter("o_b", POSITIVE, "the same under every active rule")
boost = letter("b_i", NONNEGATIVE, "sum of the strengths of the active rules whose target holds the first key")
boost_other = letter("b_j", NONNEGATIVE, "the same for the other key")
strength = letter("b", NONNEGATIVE, "strength of one rule: what it adds to the scores of its target")
strengths = letter("b_sum", NONNEGATIVE, "sum of the strengths")
promise = letter("f", UNIT, "fidelity a rule promises to its target")
F_ruled = letter("F_b", UNIT, "fidelity to the target of one rule, under that rule alone")
tilt = letter("Lambda_b", REALS, "log of the mass after the rules, before renormalising")
promised_strength = letter("b_f", NONNEGATIVE, "sum of strength times promise, promises met by an arbitrary row")
kept_strength = letter("b_a", NONNEGATIVE, "sum of strength times the fidelity the ruled row has")
KL_any = letter("KL_p", NONNEGATIVE, "divergence of an arbitrary row from the plain one, nats")
KL_ruled = letter("KL_b", NONNEGATIVE, "divergence of the ruled row from the plain one, nats")
least_mass = letter("a_min", UNIT, "smallest mass of a key in the plain row")

rules = letter("R", Naturals, "rules")
cover = letter("c", Naturals, "most targets that share a key")
shared = letter("f_star", _CLOSED_UNIT, "largest over rows of the least fidelity to a target")
shared_dual = letter("y_star", _CLOSED_UNIT, "least over weights of the largest weight of the targets that share a key")
shared_any = letter("f_p", _CLOSED_UNIT, "least fidelity to a target, in an arbitrary row")
shared_ruled = letter("f_b", _CLOSED_UNIT, "least fidelity to a target, in the ruled row")
slack = letter("g_star", REALS, "largest over rows of the least excess of a fidelity over its promise")
slack_dual = letter("g_y", REALS, "least over weights y of max_j sum_r y_r 1[j in T_r] - sum_r y_r f_r")

missed = letter("q", _CLOSED_UNIT, "probability that the checker misses the rule's condition")
mean_fidelity = letter("E_F", _CLOSED_UNIT, "expected fidelity where the condition holds")
mean_fired = letter("E_F_fired", _CLOSED_UNIT, "expected fidelity given that the rule fired")
mean_missed = letter("E_F0_missed", _CLOSED_UNIT, "expected plain fidelity given that the checker missed")
mean_plain = letter("E_F0", _CLOSED_UNIT, "expected plain fidelity where the condition holds")

layers = letter("L", Naturals, "layers, at least 2")
layer = letter("l", Naturals0, "a layer, counted from 0")
steepness = letter("beta_s", NONNEGATIVE, "exponent of a schedule")
steeper = letter("beta_t", NONNEGATIVE, "exponent of a steeper schedule")
dial_max = letter("lambda_max", Interval.Lopen(0, 1), "dial of the last layer")
dial_needed = letter("lambda_star", Interval.Lopen(0, 1), "dial a layer needs to count as localised")
dial_here = letter("lambda_l", _CLOSED_UNIT, "dial of a layer")
dial_steeper = letter("lambda_t", _CLOSED_UNIT, "dial of that layer under the steeper schedule")
depth = letter("N_star", Naturals0, "layers whose dial reaches the needed one")
gain = letter("F_gain", _CLOSED_UNIT, "fidelity a layer gains by its dial")
cost = letter("K_s", NONNEGATIVE, "weighted sum of the layers' gains")
cost_steeper = letter("K_t", NONNEGATIVE, "the same under the steeper schedule, largest dial alike")
cost_even = letter("K_s_even", NONNEGATIVE, "sum of the layers' gains, one leak in every layer")
cost_even_steeper = letter("K_t_even", NONNEGATIVE, "the same under the steeper schedule, mean dial alike")
budgets = tuple(letter(f"S_{beta}", POSITIVE, f"sum over the layers of (l/(L-1))^{beta}") for beta in range(1, 6))

norm = letter("N", NONNEGATIVE, "Euclidean norm of the scores less their mean, over the temperature")
surprise_variance = letter("V", NONNEGATIVE, "variance under the row of log a, nats squared")
H_any = letter("H_p", NONNEGATIVE, "entropy of an arbitrary row, nats")
TV_any = letter("TV_p", _CLOSED_UNIT, "total variation between the row and an arbitrary one")
moved_row = letter("D_a", NONNEGATIVE, "squared Euclidean distance of two rows")
moved_scores = letter("D_s", NONNEGATIVE, "squared Euclidean distance of their scores over the temperature")
