"""The letters of the statements on sparse attention (B5) and on sparse weights (C); see `theory.symbols`."""

from __future__ import annotations

from sympy import Interval, Naturals, Naturals0

from theory.symbols import NONNEGATIVE, POSITIVE, REALS, UNIT, letter

nu = letter("nu", REALS, "water level: largest over j of the mean of the j largest block scores, less tau/j")
level = letter("nu_B", REALS, "level at which the block alone takes all mass: sum over B of max(s - nu_B, 0) is tau")
eps_sparse = letter("epsilon_s", Interval(0, 1), "mass off the block of the group-sparse row")
over = letter("omega", NONNEGATIVE, "largest over groups of |max(s_g - nu, 0)|_2 / lambda_g")
lam_each = letter("lambda_min", POSITIVE, "least over groups of lambda_g / sqrt(m_g), m_g the group's size")
H_sparse = letter("H_s", NONNEGATIVE, "entropy of the group-sparse row, nats")
J_sparse = letter("J_s", REALS, "group-sparse objective at its maximiser")

w = letter("w", NONNEGATIVE, "norm of a block of weights")
g = letter("g", NONNEGATIVE, "norm of the loss's gradient in the block")
lam_g = letter("lambda_g", POSITIVE, "penalty on the norm of a block of weights")
move = letter("r_g", NONNEGATIVE, "length of the proximal gradient step from the point, 0 where it is stationary")

Lam = letter("Lambda", NONNEGATIVE, "Frobenius norm of the loss's gradient in the head's output")
v_norm = letter("v", NONNEGATIVE, "spectral norm of the values, the largest of the batch")
k_norm = letter("kappa_K", NONNEGATIVE, "spectral norm of the keys, the largest of the batch")
q_norm = letter("kappa_Q", NONNEGATIVE, "spectral norm of the queries, the largest of the batch")
x_g = letter("x_g", NONNEGATIVE, "spectral norm of one feature block of the inputs, sequences stacked")
x_all = letter("x", NONNEGATIVE, "spectral norm of the inputs, sequences stacked")
v_centred = letter("v_c", NONNEGATIVE, "as v, with the mean row taken off")
k_centred = letter("kappa_c", NONNEGATIVE, "as kappa_K, with the mean row taken off")
x_centred = letter("x_c", NONNEGATIVE, "as x_g, with the mean row taken off each sequence")
d_k = letter("d_k", Naturals, "width of the head")
grad_Q = letter("g_Q", NONNEGATIVE, "Frobenius norm of the loss's gradient in one block of W_Q")
grad_K = letter("g_K", NONNEGATIVE, "Frobenius norm of the loss's gradient in one block of W_K")
stretch = letter("sigma_J", NONNEGATIVE, "how much diag(a) - a a^T stretches an arbitrary vector")
peak = letter("a_p", NONNEGATIVE, "largest a (1 - a) over the keys of a row")

lam_Q = letter("lambda_Q", NONNEGATIVE, "penalty on the block of W_Q")
lam_K = letter("lambda_K", NONNEGATIVE, "penalty on the block of W_K")
w_Q = letter("w_Q", NONNEGATIVE, "norm of the block of W_Q, the others being zero")
w_K = letter("w_K", NONNEGATIVE, "norm of the block of W_K, the others being zero")
J_0 = letter("J_0", REALS, "objective, loss and penalty, at the stationary point")
L_0 = letter("L_0", REALS, "loss at the stationary point")
L_inf = letter("L_inf", REALS, "lower bound of the loss")
J_here = letter("J_W", REALS, "objective with every penalty lambda_g, at these weights")
J_origin = letter("J_o", REALS, "objective at W_Q = W_K = 0")

w_0 = letter("w_0", NONNEGATIVE, "norm of the block at the start")
w_1 = letter("w_1", NONNEGATIVE, "norm of the block after one step without momentum")
w_T = letter("w_T", NONNEGATIVE, "norm of the block at the end of the run, the learning rates following a schedule")
eta = letter("eta", POSITIVE, "learning rate, the same at every step")
G = letter("G", NONNEGATIVE, "largest norm of the block's gradient during the run")
mu = letter("mu", Interval.Ropen(0, 1), "heavy-ball momentum")
b_0 = letter("b_0", NONNEGATIVE, "norm of the momentum buffer at the start")
mu_T = letter("mu_T", Interval.Ropen(0, 1), "momentum to the power of the run's number of steps")
b_T = letter("b_T", NONNEGATIVE, "norm of the momentum buffer at the end of the run")
gain_mu = letter("gamma_mu", REALS, "sum over the run of eta_t (lambda_g - G (1 - mu^t)/(1 - mu))")
N = letter("N_0", Naturals0, "first step from which the block is zero, without momentum and at the rate eta")
N_mu = letter("N_mu", Naturals0, "first step from which the block is zero, with momentum and at the rate eta")

beta_1 = letter("beta_1", Interval.Ropen(0, 1), "Adam's decay of the mean gradient")
beta_2 = letter("beta_2", UNIT, "Adam's decay of the mean square")
beta_1_t = letter("beta_1^t", Interval.Ropen(0, 1), "beta_1 to the power of the step")
beta_2_t = letter("beta_2^t", UNIT, "beta_2 to the power of the step")
u_t = letter("u_t", NONNEGATIVE, "largest size of a coordinate of the bias-corrected update at the last step")
p = letter("p", Naturals, "weights in the block")
gain = letter("gamma_T", REALS, "sum over the run of eta_t (lambda_g - sqrt(p) c_t)")

s_in = letter("s_in", REALS, "least score of a target key")
reach_off = letter("kappa", NONNEGATIVE, "largest norm of an off-target key's features in the surviving block")
pull = letter("chi", NONNEGATIVE, "norm of W_K q in the surviving block, |W_{K,g*} q|_2")

x_off = letter("x_off", NONNEGATIVE, "as x_g, of all other features; 0 if there are none")
L_least = letter("L_least", REALS, "a lower bound of the loss, whatever the weights")
