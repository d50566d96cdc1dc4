"""Inequalities that `certify` was not tuned on: false ones of many shapes, true ones, and empty domains."""

from sympy import (
    Abs,
    Ge,
    Gt,
    Interval,
    LambertW,
    Le,
    Lt,
    Max,
    Min,
    Piecewise,
    Rational,
    S,
    acos,
    asin,
    cos,
    exp,
    log,
    oo,
    pi,
    sin,
    sqrt,
    symbols,
)

from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit

x, y, z = symbols("x y z", real=True)
p, q, d = symbols("p q d", positive=True)
n, k = symbols("n k", integer=True, positive=True)

REALS, FROM_0, ABOVE_0 = Interval(-oo, oo), Interval(0, oo), Interval.open(0, oo)
UNIT, INSIDE, BOTH = Interval(0, 1), Interval.open(0, 1), Interval(-1, 1)
WHOLE = Interval(1, oo)
third, tiny = Rational(1, 3), Rational(1, 10**12)
tilt = p / (1 - exp(-p))


def power(exponent):
    return Rational(10) ** exponent


def case(relation, left, right, **domain):
    """A claim from its text, over a domain per letter."""
    letters = {letter.name: letter for letter in (x, y, z, p, q, d, n, k)}
    return relation(left, right, evaluate=False), {letters[name]: each for name, each in domain.items()}


FALSE = {
    # Both sides meet, and the claim is strict.
    "x^2 at 0": case(Gt, x**2, 0, x=BOTH),
    "a square at 1/3": case(Gt, (x - third) ** 2, 0, x=REALS),
    "exp at its tangent": case(Gt, exp(x), 1 + x, x=REALS),
    "log at its tangent": case(Lt, log(p), p - 1, p=ABOVE_0),
    "entropy at 1/2": case(Lt, BinaryEntropy(x), log(2), x=UNIT),
    "logistic at 0": case(Lt, Logistic(x), Rational(1, 2), x=Interval(-oo, 0)),
    "cosine at 0": case(Lt, cos(x), 1, x=BOTH),
    "equality along a diagonal": case(Gt, (x - y) ** 2, 0, x=UNIT, y=UNIT),
    "a norm at the origin": case(Gt, x**2 + y**2, 0, x=BOTH, y=BOTH),
    "x e^-x at 1": case(Lt, x * exp(-x), exp(-1), x=REALS),
    "a kink": case(Gt, Abs(x - third), 0, x=UNIT),
    "divergence at equality": case(Gt, BinaryDivergence(p, q), 0, p=INSIDE, q=INSIDE),
    # The same at an irrational point.
    "at sqrt 2": case(Gt, (x**2 - 2) ** 2, 0, x=Interval(0, 2)),
    "at a cube root": case(Gt, (x**3 - 5) ** 2, 0, x=Interval(0, 2)),
    "at pi": case(Gt, (x - pi) ** 2, 0, x=Interval(3, 4)),
    "at log 2": case(Gt, (exp(x) - 2) ** 2, 0, x=UNIT),
    "at e": case(Gt, (log(p) - 1) ** 2, 0, p=Interval(1, 3)),
    "next to sqrt 2": case(Ge, (x**2 - 2) ** 2, power(-20), x=Interval(0, 2)),
    "next to log 3": case(Ge, (exp(x) - 3) ** 2, power(-18), x=Interval(0, 2)),
    "next to an arc cosine": case(Ge, (cos(x) - third) ** 2, power(-16), x=Interval(0, 2)),
    # Far out.
    "log past 1e6": case(Le, log(p), 14, p=ABOVE_0),
    "past 1e6 and a root": case(Le, x, 10**6 + sqrt(x), x=FROM_0),
    "e^-d past 700": case(Ge, exp(-x), power(-304), x=FROM_0),
    "logistic past 700": case(Lt, Logistic(x), 1 - power(-306), x=FROM_0),
    "softplus past 700": case(Gt, log(1 + exp(x)), x + power(-305), x=FROM_0),
    "d e^-d past 690": case(Ge, d * exp(-d), power(-297), d=Interval(1, oo)),
    "a fraction past 1e9": case(Le, x / (1 + x), 1 - power(-9), x=FROM_0),
    "log log past 5e8": case(Le, log(log(p)), 3, p=Interval.open(2, oo)),
    "below -1e7": case(Ge, x, -(10**7), x=Interval(-oo, 0)),
    "two letters past 1e6": case(Le, x * y, 10**12 + x + y, x=FROM_0, y=FROM_0),
    # Near 0.
    "below 1e-30": case(Ge, p, power(-30), p=ABOVE_0),
    "quadratic below 1e-31": case(Ge, p**2, p * power(-31), p=ABOVE_0),
    "log below 1e-30": case(Ge, log(p), -68, p=INSIDE),
    "entropy below 1e-30": case(Le, BinaryEntropy(p), 69 * p, p=Interval.Lopen(0, Rational(1, 2))),
    "log-odds below 1e-31": case(Ge, Logit(p), -71, p=Interval.Lopen(0, Rational(1, 2))),
    "a root below 1e-32": case(Le, sqrt(x), 10**16 * x + power(-40), x=UNIT),
    "second order": case(Ge, log(1 + p), p - p**2 / 3, p=ABOVE_0),
    # At a corner or an end only.
    "corner 00": case(Gt, x + y, 0, x=UNIT, y=UNIT),
    "corner 11": case(Lt, x * y, 1, x=UNIT, y=UNIT),
    "corner 10": case(Lt, x - y, 1, x=UNIT, y=UNIT),
    "corner 111": case(Lt, x + y + z, 3, x=UNIT, y=UNIT, z=UNIT),
    "close to corner 00": case(Ge, x + y, power(-12), x=UNIT, y=UNIT),
    "corner under exp": case(Lt, exp(x + y), exp(2), x=UNIT, y=UNIT),
    "upper end": case(Lt, x, 1, x=UNIT),
    "lower end": case(Gt, x, 0, x=FROM_0),
    "lower end of e^-x": case(Lt, exp(-x), 1, x=FROM_0),
    "a sliver at the start": case(Le, sqrt(p), p / 1000, p=Interval(999_999, oo)),
    "an end of arc cosine": case(Lt, acos(x), pi / 2, x=Interval(0, 1)),
    # By 1e-12.
    "log by 1e-12": case(Le, log(p), p - 1 - tiny, p=ABOVE_0),
    "parabola by 1e-12": case(Le, x * (1 - x), Rational(1, 4) - tiny, x=UNIT),
    "root by 1e-12": case(Le, sqrt(p), (1 + p) / 2 - tiny, p=ABOVE_0),
    "entropy by 1e-12": case(Le, BinaryEntropy(x), log(2) - tiny, x=UNIT),
    "cosine by 1e-12": case(Ge, cos(x), 1 - x**2 / 2 + tiny, x=BOTH),
    "range law by 1e-12": case(Le, tilt - 1 - log(tilt), (Rational(1, 8) - tiny) * p**2, p=ABOVE_0),
    "means by 1e-12": case(Ge, (p + q) / 2, sqrt(p * q) + tiny, p=INSIDE, q=INSIDE),
    "exp by a relative 1e-12": case(Ge, exp(x), (1 + x) * (1 + tiny), x=FROM_0),
    # Two and three letters.
    "three letters": case(Ge, (x + y + z) ** 2, Rational(301, 100) * (x * y + y * z + z * x), x=UNIT, y=UNIT, z=UNIT),
    "Pinsker with 2.001": case(Ge, BinaryDivergence(p, q), Rational(2001, 1000) * (p - q) ** 2, p=INSIDE, q=INSIDE),
    "log of a sum": case(Le, log(p + q), log(p) + log(q), p=ABOVE_0, q=ABOVE_0),
    "larger below the mean": case(Le, Max(x, y), (x + y) / 2, x=UNIT, y=UNIT),
    "powers swapped": case(Ge, p**q, q**p, p=Interval(1, 3), q=Interval(1, 3)),
    "logistic superadditive": case(Ge, Logistic(x + y) + Rational(1, 2), Logistic(x) + Logistic(y), x=FROM_0, y=FROM_0),
    "entropy convex": case(Le, BinaryEntropy((x + y) / 2), (BinaryEntropy(x) + BinaryEntropy(y)) / 2, x=UNIT, y=UNIT),
    "a saddle": case(Ge, x * y + z**2, 0, x=BOTH, y=BOTH, z=BOTH),
    # The field's functions.
    "entropy below its parabola": case(Le, BinaryEntropy(x), 4 * x * (1 - x) * log(2), x=UNIT),
    "log-odds below its tangent": case(Le, Logit(p), 4 * p - 2, p=INSIDE),
    "logistic below a slope": case(Le, Logistic(x), Rational(1, 2) + x / 5, x=FROM_0),
    "LambertW above log": case(Ge, LambertW(p), log(1 + p), p=ABOVE_0),
    "LambertW above its argument": case(Ge, LambertW(p), p, p=ABOVE_0),
    # Integers.
    "one integer": case(Ge, (n - 17) ** 2, 1, n=WHOLE),
    "an integer far out": case(Gt, (n - 10**6) ** 2, 0, n=WHOLE),
    "powers of two": case(Ge, 2**n, n**3, n=WHOLE),
    "two integers": case(Ge, (n - 3 * k) ** 2, 1, n=WHOLE, k=WHOLE),
    "half integers only": case(Le, n, Rational(13, 2), n=Interval(1, 7)),
    # Undefined at a point, and false at others.
    "a pole": case(Ge, 1 / x, 0, x=BOTH),
    "a pole of even order": case(Ge, 1 / (x - Rational(1, 2)) ** 2, 5, x=UNIT),
    "x over x": case(Gt, x / x + x**2, 1, x=UNIT),
    "log of negatives": case(Ge, log(x), -100, x=BOTH),
    "root of negatives": case(Le, sqrt(x), 1, x=Interval(-1, 4)),
    "log at 0 inside": case(Ge, log(x**2 - 1), 0, x=Interval(1, 2)),
    "infinity less infinity": case(Ge, exp(exp(x)) - exp(exp(x) + x), 0, x=FROM_0),
    # Cases and kinks.
    "a jump": case(Ge, Piecewise((x, x < 1), (-1, x <= 1), (x, True)), 0, x=FROM_0),
    "smaller of two": case(Ge, Min(x, 1 - x), 0, x=Interval(0, 1 + power(-9))),
    "larger of three": case(Ge, Max(x, y, 1 - x - y), third + power(-9), x=UNIT, y=UNIT),
    "a wave": case(Ge, sin(20 * x), Rational(-999, 1000), x=UNIT),
}

TRUE = {
    "square": case(Ge, x**2, 0, x=REALS),
    "square at 1/3": case(Ge, (x - third) ** 2, 0, x=REALS),
    "exp": case(Ge, exp(x), 1 + x, x=REALS),
    "exp, strict away from 0": case(Gt, exp(p), 1 + p, p=ABOVE_0),
    "log": case(Le, log(p), p - 1, p=ABOVE_0),
    "entropy": case(Le, BinaryEntropy(x), log(2), x=UNIT),
    "entropy, strict away from 1/2": case(Lt, BinaryEntropy(x), log(2), x=Interval.Ropen(0, Rational(1, 2))),
    "logistic": case(Lt, Logistic(x), 1, x=REALS),
    "logistic above 0": case(Gt, Logistic(x), 0, x=REALS),
    "cosine": case(Le, cos(x), 1, x=BOTH),
    "diagonal": case(Ge, (x - y) ** 2, 0, x=UNIT, y=UNIT),
    "norm": case(Ge, x**2 + y**2, 0, x=BOTH, y=BOTH),
    "norm off the origin": case(Gt, p**2 + q**2, 0, p=ABOVE_0, q=ABOVE_0),
    "x e^-x": case(Le, x * exp(-x), exp(-1), x=REALS),
    "kink": case(Ge, Abs(x - third), 0, x=UNIT),
    "divergence": case(Ge, BinaryDivergence(p, q), 0, p=INSIDE, q=INSIDE),
    "at sqrt 2": case(Ge, (x**2 - 2) ** 2, 0, x=Interval(0, 2)),
    "below sqrt 2": case(Gt, 2 - x**2, 0, x=Interval(0, Rational(14142, 10000))),
    "at pi": case(Ge, (x - pi) ** 2, 0, x=Interval(3, 4)),
    "at log 2": case(Ge, (exp(x) - 2) ** 2, 0, x=UNIT),
    "log up to e^14": case(Le, log(p), 14, p=Interval(1, 10**6)),
    "e^-d up to 699": case(Ge, exp(-x), power(-304), x=Interval(0, 699)),
    "e^-d above 0": case(Gt, exp(-x), 0, x=FROM_0),
    "softplus": case(Gt, log(1 + exp(x)), x, x=FROM_0),
    "softplus from above": case(Le, log(1 + exp(x)), x + log(2), x=FROM_0),
    "fraction": case(Lt, x / (1 + x), 1, x=FROM_0),
    "linear": case(Ge, x, -(10**7), x=Interval(-(10**7), 0)),
    "product": case(Ge, x * y, 0, x=FROM_0, y=FROM_0),
    "positive": case(Gt, p, 0, p=ABOVE_0),
    "log between": case(Ge, log(p), 1 - 1 / p, p=ABOVE_0),
    "second order": case(Ge, log(1 + p), p - p**2 / 2, p=ABOVE_0),
    "entropy over p": case(Le, BinaryEntropy(p), p * (1 - log(p)), p=INSIDE),
    "log-odds": case(Ge, Logit(p), 4 * p - 2, p=Interval.Ropen(Rational(1, 2), 1)),
    "root": case(Ge, sqrt(x), x, x=UNIT),
    "corner": case(Ge, x + y, 0, x=UNIT, y=UNIT),
    "corner, open": case(Gt, x + y, 0, x=Interval.Lopen(0, 1), y=UNIT),
    "corner 11": case(Le, x * y, 1, x=UNIT, y=UNIT),
    "corner 111": case(Le, x + y + z, 3, x=UNIT, y=UNIT, z=UNIT),
    "upper end, open": case(Lt, x, 1, x=Interval.Ropen(0, 1)),
    "lower end, open": case(Gt, x, 0, x=ABOVE_0),
    "root past 1e6": case(Le, sqrt(p), p / 1000, p=Interval(10**6, oo)),
    "arc cosine": case(Le, acos(x), pi / 2, x=Interval(0, 1)),
    "arc sine": case(Ge, asin(x), x, x=UNIT),
    "parabola": case(Le, x * (1 - x), Rational(1, 4), x=REALS),
    "means": case(Ge, (p + q) / 2, sqrt(p * q), p=ABOVE_0, q=ABOVE_0),
    "cosine's parabola": case(Ge, cos(x), 1 - x**2 / 2, x=BOTH),
    "sine": case(Le, sin(x), x, x=UNIT),
    "range law": case(Le, tilt - 1 - log(tilt), p**2 / 8, p=ABOVE_0),
    "exp by 1e-12": case(Ge, exp(x) + tiny, 1 + x, x=REALS),
    "three letters": case(Ge, (x + y + z) ** 2, 3 * (x * y + y * z + z * x), x=UNIT, y=UNIT, z=UNIT),
    "Pinsker": case(Ge, BinaryDivergence(p, q), 2 * (p - q) ** 2, p=INSIDE, q=INSIDE),
    "log of a sum": case(Ge, log(p + q), log(p), p=ABOVE_0, q=ABOVE_0),
    "larger of two": case(Ge, Max(x, y), (x + y) / 2, x=UNIT, y=UNIT),
    "larger of two, apart": case(Ge, Max(x, 1 - x), Rational(1, 2), x=REALS),
    "smaller of two": case(Le, Min(x, 1 - x), Rational(1, 2), x=UNIT),
    "logistic adds": case(Le, Logistic(x + y), Logistic(x) + Logistic(y), x=FROM_0, y=FROM_0),
    "entropy concave": case(
        Ge, BinaryEntropy((x + y) / 2), (BinaryEntropy(x) + BinaryEntropy(y)) / 2, x=Interval(0, 1), y=UNIT
    ),
    "entropy above its parabola": case(Ge, BinaryEntropy(x), 4 * x * (1 - x) * log(2), x=UNIT),
    "logistic's slope": case(Le, Logistic(x), Rational(1, 2) + x / 4, x=FROM_0),
    "LambertW": case(Le, LambertW(p), log(1 + p), p=ABOVE_0),
    "integers": case(Ge, n, 1 + log(n), n=WHOLE),
    "integers between": case(Ge, (n - Rational(1, 2)) ** 2, Rational(1, 4), n=WHOLE),
    "powers of two": case(Ge, 2**n, n + 1, n=WHOLE),
    "a pole outside": case(Ge, 1 / x, 1, x=Interval.Lopen(0, 1)),
    "cases": case(Ge, Piecewise((x**2, x < 0), (x, True)), 0, x=REALS),
    "0 log 0 aside": case(Ge, -p * log(p), 0, p=Interval.Lopen(0, 1)),
    "one point": case(Ge, x**2, 4, x=Interval(2, 2)),
    "three of a kind": case(Ge, Max(x, y, 1 - x - y), third, x=UNIT, y=UNIT),
}

EMPTY = {
    "ends the wrong way": case(Ge, x, 0, x=Interval(1, 0)),
    "an open point": case(Lt, x, 0, x=Interval.open(1, 1)),
    "no integer": case(Ge, n, 0, n=Interval.open(Rational(1, 4), Rational(3, 4))),
    "nothing": case(Gt, x, 1, x=S.EmptySet),
    "one of two": case(Gt, x * y, 1, x=UNIT, y=Interval.Lopen(2, 2)),
}
