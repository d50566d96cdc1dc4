"""`localist check`: a row or a run by theory alone, or with `--model` the last layer of a model.

The theory must not import what runs models, so the two meet here; the model's part is imported when it is asked for.
"""

from __future__ import annotations

from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.options import Blocks
from theory.design import commands
from theory.errors import DomainError


def check(
    *,
    model: Annotated[
        str | None, typer.Option(help="Instead of a row: a GPT-2, a finished run's folder or with --text any folder.")
    ] = None,
    influence: Annotated[
        float | None,
        typer.Option(help="With --model: nats by which its last layer's keys off the block may move the next token."),
    ] = None,
    text: Annotated[Path | None, typer.Option(help="With --model: text file, instead of a run's own text.")] = None,
    blocks: Blocks = None,
    sequences: Annotated[int | None, typer.Option(help="With --model: sequences of the text (all).")] = None,
    **options: Any,
) -> None:
    """Check thresholds and bounds of one attention row, given by options, or of a whole run, given by its file.

    With --model and --influence: whether the keys off the block, in the last layer, provably move the next-token
    distribution by at most so many nats in every row of a text, and the margin that each row needs for it (H2, H3).

    Exit status: 0 guaranteed or no target given, 1 not guaranteed, 2 bad input. A sweep exits with 0 once written.
    """
    chosen = {"--influence": influence, "--text": text, "--blocks": blocks, "--sequences": sequences}
    if model is None:
        for name, value in chosen.items():
            if value is not None:
                raise DomainError(f"{name} {value} is about a model, which must be given with --model")
        commands.check(**options)
        return
    shared = {name: options.pop(name) for name in ("block", "dial", "as_json")}
    for name, value in options.items():
        if value is not None and value != []:
            word = "RUN.toml" if name == "run" else f"--{name.replace('_', '-')}"
            raise DomainError(f"{word} {value} does not go with --model {model}, whose rows are measured: leave it out")
    if influence is None:
        raise DomainError(f"--model {model} needs --influence, the nats by which the next token may move")
    from empirical.influence.command import report_influence

    report_influence(model, influence, text=text, blocks=blocks, sequences=sequences, **shared)


def _with_theory_options() -> None:
    """Give `check` a signature that names the options of the theory's own, for the command line to read."""
    theory, own = (signature(function, eval_str=True) for function in (commands.check, check))
    added = [each for each in own.parameters.values() if each.kind is Parameter.KEYWORD_ONLY]
    *first, last = (each.replace(kind=Parameter.KEYWORD_ONLY) for each in theory.parameters.values())
    parameters = [*first, *added, last]
    check.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    check.__annotations__ = {each.name: each.annotation for each in parameters}


_with_theory_options()
