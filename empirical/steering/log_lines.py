"""The lines of a firing log: one JSON object each, with the fields of one of these classes and its `event`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from empirical.settings import Settings

SCHEMA: Literal[1] = 1
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LogLine(Settings):
    """First line: what wrote the log, and what a replay needs; None where a program wrote it that did not say.

    `model_sha256` is as in `model_digest`. `texts` is how many follow, unless a broken promise ends them. `block` is
    the option of `generate`; `processed` says whether a logits processor chose beside the model.
    """

    event: Literal["log"] = "log"
    schema_: Annotated[Literal[1], Field(alias="schema")] = SCHEMA
    localist: str
    torch: str
    model: str | None = None
    model_sha256: Sha256 | None = None
    block: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0)] | None = None
    seed: Count | None = None
    processed: bool = False
    texts: Count | None = None


class TextLine(Settings):
    """A text begins, with these dials."""

    event: Literal["text"] = "text"
    dials: tuple[float | tuple[float, ...], ...]


class RulesLine(Settings):
    """A version of the rule file takes effect; `position` tokens stand before it.

    `anchors` are the texts that it takes from files of anchors.
    """

    event: Literal["rules"] = "rules"
    position: Count
    sha256: Sha256
    text: str
    anchors: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class RefusedLine(Settings):
    """A version of the rule file was refused; None as `sha256`: it could not be read."""

    event: Literal["refused"] = "refused"
    position: Count
    sha256: Sha256 | None
    reason: str


class PassLine(Settings):
    """A forward pass over the `tokens` `(texts, queries)` under the version `rules`, and how many firings follow."""

    event: Literal["pass"] = "pass"
    position: Count
    tokens: tuple[tuple[Count, ...], ...]
    rules: Sha256 | None
    firings: Count
    broken: Count


class FiringLine(Settings):
    """A `Firing`; `status` is met, no_key, impossible or unsolved."""

    model_config = ConfigDict(allow_inf_nan=True)

    event: Literal["firing"] = "firing"
    text: Count
    position: Count
    layer: Count
    head: Count
    rule: str
    promise: float | None
    before: float
    after: float
    strength: float
    status: Literal["met", "no_key", "impossible", "unsolved"]


class EndLine(Settings):
    """A text has ended after so many passes, with a token that no pass has read, or because a promise was broken."""

    event: Literal["end"] = "end"
    passes: Count
    last: Count | None = None
    stopped: str | None = None


Line = Annotated[
    LogLine | TextLine | RulesLine | RefusedLine | PassLine | FiringLine | EndLine, Field(discriminator="event")
]
