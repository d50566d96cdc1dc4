"""The letters of H2 and H3: logits that move, and what a move of the residual does to them; see `theory.symbols`."""

from __future__ import annotations

from sympy import Interval, Naturals

from theory.symbols import NONNEGATIVE, POSITIVE, letter

_CLOSED_UNIT = Interval(0, 1)

rho = letter("rho_z", NONNEGATIVE, "range of the logits' moves: the largest move less the smallest, nats")
TV_z = letter("TV_z", _CLOSED_UNIT, "total variation between the next-token distributions before and after")
TV_pair = letter("TV_pair", _CLOSED_UNIT, "the same of two tokens whose logits' gap moves from -rho_z/2 to rho_z/2")
KL_z = letter("KL_z", NONNEGATIVE, "divergence of the distribution before from that after, nats")
KL_back = letter("KL_back", NONNEGATIVE, "divergence of the distribution after from that before, nats")
move_log = letter("l_z", NONNEGATIVE, "largest move of a token's log-probability, nats")

p_r = letter("p_r", Naturals, "width of the residual")
eps_ln = letter("epsilon_ln", POSITIVE, "what layer norm adds to the variance")
c_mid = letter("c_mid", NONNEGATIVE, "length of the residual less its mean, after the last attention layer")
c_end = letter("c_end", NONNEGATIVE, "the same after the MLP that follows")
gain_mid = letter("gamma_mid", NONNEGATIVE, "largest size of a weight of the layer norm before the MLP")
gain_end = letter("gamma_end", NONNEGATIVE, "the same of the last layer norm")
mlp = letter("M_r", NONNEGATIVE, "product of the MLP's spectral norms and its activation's largest slope")
apart = letter("D_U", NONNEGATIVE, "largest distance between the unembedding vectors of two tokens")
move_mid = letter(
    "n_mid", NONNEGATIVE, "length of the move of the MLP's input when the heads drop the keys off the block"
)
move_res = letter("r_end", NONNEGATIVE, "the same of the residual after the MLP")
move_end = letter("n_end", NONNEGATIVE, "the same of the output of the last layer norm")
rho_cut = letter("rho_cut", NONNEGATIVE, "range of the logits' moves when the heads drop the keys off the block, nats")
rho_star = letter("rho_star", POSITIVE, "range of the logits' moves that a user allows, nats")
S_star = letter("S_star", POSITIVE, "a number that S_cut is not to exceed")
