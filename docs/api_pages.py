"""The site's reference of the library, from docstrings. `docs/site_pages.py` writes these pages before each build."""

from __future__ import annotations

from collections.abc import Iterator

import localist

# The names of `localist` by subject; a test compares them with `localist.__all__`.
NAMES: dict[str, tuple[str, ...]] = {
    "Bounds and thresholds of one row": (
        *("leak_max", "fidelity_min", "entropy_max", "entropy_max_at_least", "entropy_min", "margin_needed"),
        *("penalty_needed", "penalised_margin", "dial_needed", "dialled_leak"),
    ),
    "Run files": ("read_run", "parse_run", "check_run", "design_run"),
    "Models": ("watch", "dial", "measure", "calibrate", "ruled", "read_dials", "load_model"),
    "Beside a model": ("BlockCache", "LocalistCallback"),
    "Claims of your own": ("certify", "attack", "attack_row", "bound", "Verdict"),
}
# Documented elsewhere: the statements have pages, the strategies are a module.
ELSEWHERE = ("CATALOGUE", "strategies")
_CLASSES = ("BlockCache", "LocalistCallback", "Verdict")
# Page: its title, what it is for, and its modules.
MODULES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "statement": (
        "Statements as values",
        "How a theorem is stated, found in the catalogue and evaluated.",
        ("theory.statement", "theory.derivation", "theory.statements.catalogue", "theory.lowering", "theory.errors"),
    ),
    "numbers": (
        "Numeric functions",
        "The statements as functions, in nats. A `Number` is a number, an array or a sympy number; an `Answer` is of "
        "the same kind, exact for sympy numbers.",
        (
            *("theory.numbers.bounds", "theory.numbers.dial_costs", "theory.numbers.schedule_bounds"),
            *("theory.numbers.weight_bounds", "theory.numbers.extinction_steps", "theory.numbers.anchor_bounds"),
            *("theory.numbers.rule_bounds", "theory.numbers.truncation_bounds", "theory.numbers.unseen"),
            *("theory.numbers.decay_bounds", "theory.numbers.output_bounds"),
        ),
    ),
    "design": (
        "Run files and guarantees",
        "What `localist check` and `localist design` decide.",
        (
            *("theory.design.run_file", "theory.design.run_check", "theory.design.run_design"),
            *("theory.design.promise", "theory.design.guarantee", "theory.design.causal_rows", "theory.design.grid"),
        ),
    ),
    "proofs": (
        "Deciding claims",
        "Proofs, counterexamples, and the status of a statement.",
        (
            *("proofs_check.inequalities.verdict", "proofs_check.inequalities.search.interval"),
            *("proofs_check.methods.attacking", "proofs_check.strategies", "proofs_check.verification"),
            *("proofs_check.evidence", "proofs_check.statuses"),
        ),
    ),
    "models": (
        "Models",
        "Watching, dialling, measuring, calibrating and steering transformers decoders.",
        (
            *("empirical.measuring.watch", "empirical.measuring.row_callback", "empirical.attention.attach"),
            *("empirical.attention.block_kinds", "empirical.attention.block_cache", "empirical.measuring.measure"),
            *("empirical.measuring.dial_file", "empirical.calibration.calibrate", "empirical.rules.rule_file"),
            *("empirical.rules.check", "empirical.steering.rule_plan", "empirical.model"),
        ),
    ),
}


def pages() -> dict[str, str]:
    """The text of every page by its path below `docs/`."""
    texts = {f"api/{name}.md": "\n".join(_modules(*described)) for name, described in MODULES.items()}
    return {"api/index.md": _index(), "api/localist.md": "\n".join(_names()), **texts}


def _index() -> str:
    lines = ["# The library, name by name\n", "What users of the library call, from the docstrings.\n"]
    lines.append("- [localist](localist.md): what `import localist` offers. Start here.")
    lines += [f"- [{title}]({name}.md): {use}" for name, (title, use, _) in MODULES.items()]
    lines.append("\n[The library](../library.md) is the guide with examples.\n")
    return "\n".join([*lines, "```{toctree}\n:hidden:\n\nlocalist", *MODULES, "```\n"])


def _names() -> Iterator[str]:
    yield "# localist\n"
    yield "Every name loads when it is first used. `localist.CATALOGUE` holds [the statements](../statements/index.md),"
    yield "and `localist.strategies` is {py:mod}`proofs_check.strategies`. Numeric functions take numbers and arrays;"
    yield "a sympy number among the arguments gives an exact answer. Entropies and separations are in nats.\n"
    for title, names in NAMES.items():
        yield f"## {title}\n"
        kinds = (f".. auto{'class' if name in _CLASSES else 'function'}:: localist.{name}" for name in names)
        yield _reference(f"{kind}\n   :members:" if "class" in kind else kind for kind in kinds)


def _modules(title: str, use: str, modules: tuple[str, ...]) -> Iterator[str]:
    yield f"# {title}\n\n{use}\n"
    for module in modules:
        yield f"## `{module}`\n"
        yield _reference([f".. automodule:: {module}\n   :members:"])


def _reference(directives: Iterator[str] | list[str]) -> str:
    return "```{eval-rst}\n" + "\n\n".join(directives) + "\n```\n"


def undocumented() -> set[str]:
    """Names of `localist` that no page has, and names on a page that it lacks."""
    return {*ELSEWHERE, *(name for names in NAMES.values() for name in names)} ^ set(localist.__all__)
