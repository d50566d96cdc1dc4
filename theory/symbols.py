"""The letters of the statements: each a sympy symbol with its domain and meaning.

A statement's variables are the letters that its claims use, so each letter is described only here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Interval, Naturals, Set, Symbol, oo

REALS = Interval(-oo, oo)
NONNEGATIVE = Interval(0, oo)
POSITIVE = Interval.open(0, oo)
UNIT = Interval.open(0, 1)


@dataclass(frozen=True)
class Variable:
    """One letter: its symbol, the set it ranges over, and its meaning with its unit."""

    symbol: Symbol
    domain: Set
    meaning: str


VOCABULARY: dict[Symbol, Variable] = {}


def letter(name: str, domain: Set, meaning: str) -> Symbol:
    """A new letter; its sympy assumptions follow from its domain."""
    if domain is Naturals or domain == Naturals:
        symbol = Symbol(name, integer=True, positive=True)
    elif domain.inf == 0 and not domain.contains(0):
        symbol = Symbol(name, positive=True)
    elif domain.inf == 0:
        symbol = Symbol(name, nonnegative=True)
    else:
        symbol = Symbol(name, real=True)
    VOCABULARY[symbol] = Variable(symbol, domain, meaning)
    return symbol


m = letter("m", Naturals, "keys in the target block")
k = letter("k", Naturals, "visible keys outside the target block, n - m")
tau = letter("tau", POSITIVE, "temperature")

F = letter("F", UNIT, "fidelity: attention mass on the target block")
eps = letter("epsilon", UNIT, "leak: attention mass off the target block")
delta = letter("delta", REALS, "margin: least score in the block minus largest outside")
delta_mean = letter("delta_mean", REALS, "mean margin: mean score in the block minus largest outside")
reach = letter("delta_top", REALS, "largest score in the block minus mean score outside")
Delta = letter("Delta", REALS, "soft margin: log-mean-exp of s/tau in the block minus outside, nats")
d = letter("d", REALS, "separation: margin over temperature, nats")
d_mean = letter("d_mean", REALS, "mean margin over temperature, nats")
r = letter("r", NONNEGATIVE, "logit range over temperature, nats")

H = letter("H", NONNEGATIVE, "entropy of the row, nats")
H_B = letter("H_B", NONNEGATIVE, "entropy of the row given the block, nats")
H_C = letter("H_C", NONNEGATIVE, "entropy of the row given the complement, nats")
sbar_B = letter("sbar_B", REALS, "attention-weighted mean score in the block")
sbar_C = letter("sbar_C", REALS, "attention-weighted mean score outside the block")
vbar_B = letter("vbar_B", REALS, "attention-weighted mean value in the block")
vbar_C = letter("vbar_C", REALS, "attention-weighted mean value outside the block")
spread = letter("diam_V", NONNEGATIVE, "largest distance between two values")

eps_target = letter("epsilon_target", UNIT, "leak a user asks for")
F_target = letter("F_target", UNIT, "fidelity a user asks for")
u = letter("u", NONNEGATIVE, "largest error of a score")
delta_seen = letter("delta_seen", REALS, "margin of scores known to within u")

lam = letter("lambda", Interval.Ropen(0, 1), "locality dial")
pen = letter("pi", NONNEGATIVE, "penalty on attention off the block")
F_lam = letter("F_lambda", UNIT, "fidelity with the dial on")
eps_lam = letter("epsilon_lambda", UNIT, "leak with the dial on")
eps_two = letter("epsilon_two", UNIT, "leak of the two-level row of the same sizes and separation")
H_two = letter("H_two", NONNEGATIVE, "entropy of that two-level row, nats")
H_pair = letter(
    "H_pair",
    NONNEGATIVE,
    "entropy of the row of the same sizes and separation with all keys alike but one pair, set about them for the most",
)
H_lam = letter("H_lambda", NONNEGATIVE, "entropy with the dial on, nats")
lam_more = letter("lambda_more", Interval.Ropen(0, 1), "another setting of the dial")
H_more = letter("H_more", NONNEGATIVE, "entropy with the dial at that other setting, nats")
H_mask = letter("H_1", NONNEGATIVE, "entropy under the hard block mask, nats")
TV = letter("TV", NONNEGATIVE, "total variation between the rows with and without the dial")
KL = letter("KL", NONNEGATIVE, "divergence of the dialled row from the plain one, nats")
shift = letter("Delta_o", REALS, "move of the head's output under the dial, one coordinate")
o_plain = letter("o_plain", REALS, "output of attention, one coordinate")
o_B = letter("o_B", REALS, "output of attention restricted to the block, one coordinate")
o_lam = letter("o_lambda", REALS, "output of attention with the dial on, one coordinate")
p_null = letter("p_null", UNIT, "mass of one key more whose score over tau is the log-sum-exp of the block's")
o_null = letter("o_null", REALS, "output of the other keys beside that key, whose value is 0, one coordinate")
eps_pen = letter("epsilon_pi", UNIT, "leak of the penalised row")
J_any = letter("J_p", REALS, "penalised objective at an arbitrary distribution")
J_soft = letter("J_a", REALS, "penalised objective at the shifted softmax")

m_kept = letter("m_kept", Naturals, "keys of the block that are counted, chosen at will")
k_rest = letter("k_rest", Naturals, "visible keys outside the block that are not singled out, at least one")
W_out = letter(
    "W_out",
    NONNEGATIVE,
    "sum of e^(s/tau) over the keys outside that are singled out, over e^(s/tau) of the least key counted; 0 for none",
)
d_rest = letter("d_rest", REALS, "least score counted minus largest outside not singled out, over tau, nats")
W_top = letter("W_top", NONNEGATIVE, "the same as W_out for the largest scores of either side, as many as were chosen")
d_top = letter("d_top", REALS, "the same as d_rest for the largest scores of either side, as many as were chosen, nats")
eps_levels = letter(
    "epsilon_levels",
    UNIT,
    "leak of the keys singled out, the other outside keys at their largest score, and the keys counted at their least, "
    "the block's other keys at minus infinity",
)

D_cut = letter("D_cut", NONNEGATIVE, "largest distance between the values of a key in the block and one outside")
r_cut = letter("r_cut", NONNEGATIVE, "length of the move of a head's output when the keys off the block are dropped")
r_far = letter(
    "r_far", NONNEGATIVE, "the same as r_cut, were all values on a side that of its key in the farthest pair"
)
r_layer = letter("r_layer", NONNEGATIVE, "length of the move of the layer's output when every head drops those keys")
R_cut = letter("R_cut", NONNEGATIVE, "root of the sum over the heads of the square of leak times D_cut")
S_cut = letter(
    "S_cut",
    NONNEGATIVE,
    "sum over the heads of the leak times the largest distance as in D_cut, of values after the projection",
)
W_O = letter("W_O", NONNEGATIVE, "spectral norm of the output projection")

tokens = letter("T", Naturals, "tokens in the context")
window = letter("b_w", Naturals, "keys in a window")
least_own = letter("m_0", Naturals, "own keys that a query has at least to count; it must have a complement too")
ratio_T = letter("rho_T", POSITIVE, "largest k/m of the queries that count")
d_T = letter("d_T", REALS, "separation that is known of every query that counts, the least of theirs, nats")
eps_T = letter("epsilon_T", UNIT, "largest leak of the queries that count")
eps_most = letter("epsilon_most", UNIT, "the same, were every such query's row two-level at the separation d_T")
share_kept = letter("share_T", Interval(0, 1), "share of those two-level rows that leak at most epsilon_target")
share_within = letter(
    "share_rho", Interval(0, 1), "share of the queries that count with k/m <= epsilon_target e^d_T/(1 - epsilon_target)"
)
H_T = letter("H_T", NONNEGATIVE, "largest entropy of the queries that count, nats")
H_most = letter("H_most", NONNEGATIVE, "the same, were every such query's row two-level at the separation d_T, nats")

slope = letter("a_s", POSITIVE, "what a score loses per token of distance")
fade = letter("q_s", UNIT, "e^(-a_s/tau), the factor of a key's weight per token of distance")
content = letter("R_c", NONNEGATIVE, "range of the content scores: the scores without what distance takes off")
eps_ends = letter(
    "epsilon_ends", UNIT, "leak of the row with the block's content at R_c below the others', each side level"
)
