"""Statements in JavaScript have mpmath's values, also at extreme settings; a textbook form in a helper is found."""

from __future__ import annotations

import math
import random

import mpmath
import numpy as np
import pytest
import scripts
import sympy
from flint import arb, ctx
from scipy import special
from sympy import Expr, Function, Symbol, exp, log
from sympy.codegen.cfunctions import expm1, log1p
from sympy.core.relational import Relational

from theory.functions import BinaryEntropy, CapShare, Logistic, Logit, LowestEntropy
from theory.javascript import RUNTIME, function
from theory.lowering import Target, UnknownNode, arb_target, array_target, evaluate, relation
from theory.stable_forms import EntropyOfLogit, stable
from theory.statements import dial, entropy, leak, penalty, quantile_leak, range_deficit
from theory.statements.catalogue import CATALOGUE
from theory.symbols import (
    VOCABULARY,
    F,
    F_target,
    W_out,
    d,
    d_rest,
    delta,
    eps,
    eps_target,
    k,
    k_rest,
    lam,
    m,
    m_kept,
    pen,
    r,
    tau,
)

ALLOWED = 1e-9
# Subnormal numbers have no relative accuracy.
SMALLEST = 2.3e-308


def chosen(branches):
    for condition, walk, branch in branches:
        if condition == sympy.true:
            return walk(branch)
        left, sign, right = relation(condition, walk)
        if {">=": left >= right, ">": left > right, "<=": left <= right, "<": left < right}[sign]:
            return walk(branch)
    raise AssertionError("no branch applies")


def entropy_of(p):
    return -sum(x * mpmath.log(x) for x in (p, 1 - p) if x)


def least_of_all(n, span):
    """A5's minimum over every number of upper keys, from the definition; near the best share if there are many."""
    if n == 1:
        return mpmath.mpf(0)
    n, low, high = int(n), 1, int(n) - 1
    if n > 40:
        tilt = span / -mpmath.expm1(-span) if span else mpmath.mpf(1)
        share = (tilt - 1) / mpmath.expm1(span) if span > 1e-20 else mpmath.mpf("0.5")
        low, high = (max(1, min(n - 1, int(n * share) + shift)) for shift in (-2, 3))
    weights = ((top, mpmath.exp(span) * top, n - top) for top in range(low, high + 1))
    return min(mpmath.log(up + down) - span * up / (up + down) for _, up, down in weights)


MPMATH = Target(
    "mpmath",
    lambda value: mpmath.mpf(value.numerator) / value.denominator,
    {
        sympy.exp: mpmath.exp,
        sympy.log: mpmath.log,
        sympy.Max: max,
        sympy.Min: min,
        sympy.Pow: mpmath.sqrt,
        Logistic: lambda x: 1 / (1 + mpmath.exp(-x)),
        Logit: lambda p: mpmath.log(p / (1 - p)),
        BinaryEntropy: entropy_of,
        LowestEntropy: least_of_all,
    },
    chosen,
)

SIZES = [1, 2, 3, 64, 960, 10**6, 10**12]
SHARES = [1e-300, 1e-17, 1e-9, 0.5, 0.9, 0.999999, 1 - 2**-30, 1 - 2**-53]
GAPS = [0.0, 1e-300, 1e-9, 1.0, 37.0, 300.0, 700.0]
DRAWS = {
    "size": lambda draw: draw.choice(SIZES) if draw.random() < 0.3 else int(10 ** draw.uniform(0, 6)),
    "share": lambda draw: draw.choice(SHARES) if draw.random() < 0.3 else draw.uniform(0, 1),
    "gap": lambda draw: draw.choice(GAPS) if draw.random() < 0.3 else draw.uniform(0, 40),
    "signed": lambda draw: draw.choice([-1, 1]) * DRAWS["gap"](draw),
    "scale": lambda draw: 10 ** draw.uniform(-2, 2),
}
SIZE, SHARE, GAP, SIGNED, SCALE = DRAWS
# Name: a statement's expression, and how its letters are drawn.
EXPRESSIONS = {
    "A2 leak": (leak.LEAK_MAX, {m: SIZE, k: SIZE, d: SIGNED}),
    "A2 fidelity": (1 - leak.LEAK_MAX, {m: SIZE, k: SIZE, d: SIGNED}),
    "A3 threshold": (leak.MARGIN_THRESHOLD, {m: SIZE, k: SIZE, eps_target: SHARE}),
    "A4 entropy": (entropy.ENTROPY_MAX, {m: SIZE, k: SIZE, d: SIGNED}),
    "A4 exponential": (entropy.EXPONENTIAL, {m: SIZE, k: SIZE, d: GAP}),
    "A5 entropy": (range_deficit.ENTROPY_MIN, {m: SIZE, k: SIZE, r: GAP}),
    "A8 leak": (quantile_leak.QUANTILE_LEAK_MAX, {W_out: SCALE, d_rest: SIGNED, k_rest: SIZE, m_kept: SIZE}),
    "B1 leak": (dial.DIALLED_LEAK, {eps: SHARE, lam: SHARE}),
    "B1 dial": (dial.DIAL_NEEDED, {F: SHARE, F_target: SHARE}),
    "B4 separation": (penalty.SEPARATION, {delta: SIGNED, pen: GAP, tau: SCALE}),
    "B4 penalty": (penalty.PENALTY_NEEDED, {m: SIZE, k: SIZE, eps_target: SHARE, delta: SIGNED, tau: SCALE}),
    "B6 gate": (dial.GATE, {lam: SHARE, F: SHARE}),
}


def drawn(letters, count, seed=0):
    draw = random.Random(seed)
    return [[DRAWS[kind](draw) for kind in letters.values()] for _ in range(count)]


def digits(values):
    """Digits that cover the cancellation of the largest e^d and of the smallest share, and 45 more."""
    small = min((value for value in values if 0 < value < 1), default=1)
    return 45 + int(0.44 * max(abs(value) for value in values if abs(value) <= 750)) - int(math.log10(small))


def off(found, oracle, scale=0.0):
    """Whether a value is off by more than allowed; `scale` is the size of terms that cancel."""
    error = abs(mpmath.mpf(found) - oracle)
    return error > ALLOWED * abs(oracle) + 1e-14 * scale and not (abs(oracle) < SMALLEST and error < SMALLEST)


def wrong(names, folder, count, runtime=RUNTIME, run=scripts.called):
    """How many of the settings of each expression have another value in JavaScript than in mpmath."""
    code, calls, cases = [runtime], [], []
    for index, name in enumerate(names):
        expr, letters = EXPRESSIONS[name]
        code.append(function(f"f{index}", expr, list(letters)))
        for values in drawn(letters, count):
            calls.append([f"f{index}", values])
            cases.append((name, dict(zip(letters, values, strict=True))))
    answers, found = run("\n".join(code), calls, folder), dict.fromkeys(names, 0)
    for answer, (name, values) in zip(answers, cases, strict=True):
        with mpmath.workdps(digits([*values.values(), 0])):
            exact = {letter: mpmath.mpf(value) for letter, value in values.items()}
            oracle = evaluate(EXPRESSIONS[name][0], exact, MPMATH)
            # Only sums of terms of either sign may cancel, as a threshold less a margin does.
            scale = max(map(abs, exact.values())) + 750 if name in ("A3 threshold", "B4 penalty") else 0.0
            found[name] += off(float(answer), oracle, scale)
    return found


def test_statements_have_mpmaths_values(tmp_path):
    assert wrong(EXPRESSIONS, tmp_path, 1000) == dict.fromkeys(EXPRESSIONS, 0)


@pytest.mark.skipif(scripts.CHROMIUM is None, reason="chromium, an optional program, is not installed")
def test_statements_have_mpmaths_values_in_a_browser(tmp_path):
    def run(code, calls, folder):
        return scripts.called(code, calls, folder, scripts.in_chromium)

    assert wrong(EXPRESSIONS, tmp_path, 50, run=run) == dict.fromkeys(EXPRESSIONS, 0)


PLANTED = {
    "log1p": ("Math.log1p(Math.exp(-size))", "Math.log(1 + Math.exp(-size))", "A4 entropy"),
    "other side": ("* logistic(-size)", "* (1 - logistic(size))", "A4 entropy"),
    "overflow": ("(x >= 0 ? 1 : small) / (1 + small)", "1 - 1 / (1 + Math.exp(x))", "A2 leak"),
    "neighbours": ("middle + shift", "middle", "A5 entropy"),
    "best share": ("(r / shrink - 1)", "(r / shrink)", "A5 entropy"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_textbook_form_in_a_helper_is_found(planted, tmp_path):
    right, textbook, name = PLANTED[planted]
    assert RUNTIME.count(right) == 1
    assert wrong([name], tmp_path, 200, RUNTIME.replace(right, textbook))[name] > 0


def sides():
    """Both sides of every relation in the clauses, but for D2's share of a sphere."""
    for statement in CATALOGUE:
        for clause in statement.claim:
            for each in clause.holds.atoms(Relational) | clause.given.atoms(Relational):
                for side in each.args:
                    if isinstance(side, Expr) and side.args and not side.has(CapShare):
                        yield f"{statement.id} {clause.name}", side


def value_of(letter, generator):
    if letter.is_integer:
        return float(generator.integers(2, 30))
    return float(generator.uniform(0.05, 0.95) if VOCABULARY[letter].domain.sup == 1 else generator.uniform(0.2, 3.0))


def test_every_claim_but_one_has_arbs_value_in_javascript(tmp_path):
    generator, code, calls, exact = np.random.default_rng(1), [RUNTIME], [], []
    for index, (_, side) in enumerate(sides()):
        letters = sorted(side.free_symbols, key=str)
        values = [value_of(letter, generator) for letter in letters]
        code.append(function(f"f{index}", side, letters))
        calls.append([f"f{index}", values])
        with ctx.workprec(200):
            exact.append(evaluate(side, {x: arb(v) for x, v in zip(letters, values, strict=True)}, arb_target()))
    answers = scripts.called("\n".join(code), calls, tmp_path)
    for (name, _), answer, oracle in zip(sides(), answers, exact, strict=True):
        if math.isnan(float(oracle)):
            # Arb has no value for the logarithm of 0, or a square root of a negative number.
            assert answer in ("NaN", "-Infinity"), name
        else:
            assert answer == pytest.approx(float(oracle), rel=1e-9, abs=1e-12), name


def test_only_one_statement_is_refused():
    refused = {}
    for statement in CATALOGUE:
        for clause in statement.claim:
            for each in clause.holds.atoms(Relational) | clause.given.atoms(Relational):
                for side in each.args:
                    try:
                        function("f", side, list(side.free_symbols))
                    except UnknownNode as error:
                        refused[statement.id] = str(error).split(" in ")[0]
    assert refused == {"D2": "JavaScript has no meaning for CapShare"}


def test_unknown_nodes_and_missing_letters_are_refused():
    x = Symbol("x")
    with pytest.raises(UnknownNode, match="JavaScript has no meaning for made_up"):
        function("f", Function("made_up")(x), [x])
    with pytest.raises(UnknownNode, match="must end with a branch that always applies"):
        function("f", sympy.Piecewise((x, x > 0)), [x])
    with pytest.raises(KeyError):
        function("f", leak.LEAK_MAX, [m, k])


def test_code_is_computed_once():
    x = Symbol("x", positive=True)
    assert function("f", exp(x) * sympy.cos(exp(x)), [x]).count("Math.exp") == 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (1 - Logistic(d), Logistic(-d)),
        (Logit(1 - eps), -Logit(eps)),
        (Logit(Logistic(d)), d),
        (BinaryEntropy(Logistic(d)), EntropyOfLogit(d)),
        (log(1 + eps), log1p(eps)),
        (exp(d) - 1, expm1(d)),
        (1 - exp(d), -expm1(d)),
        (1 - eps * lam, (1 - lam) + lam * (1 - eps)),
    ],
)
def test_stable_forms(written, kept):
    assert stable(written) == kept


def test_stable_forms_equal_what_they_replace():
    generator = np.random.default_rng(2)
    numpy = array_target(np, special)
    known = {**numpy.operations, log1p: np.log1p, expm1: np.expm1}
    known[EntropyOfLogit] = lambda x: numpy.operations[BinaryEntropy](special.expit(x))
    both = Target("numpy", float, known, numpy.choose)
    changed = 0
    for name, (expr, letters) in EXPRESSIONS.items():
        if stable(expr) == expr:
            continue
        changed += 1
        for _ in range(5):
            values = {letter: value_of(letter, generator) for letter in letters}
            assert float(evaluate(stable(expr), values, both)) == pytest.approx(
                float(evaluate(expr, values, both)), rel=1e-12
            ), name
    assert changed >= 6
