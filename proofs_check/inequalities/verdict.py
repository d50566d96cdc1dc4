"""The verdicts of a method on a statement. There is no partial success and no truth value."""

from __future__ import annotations

from enum import Enum

from theory.display import Badge, Tone


class _Shown:
    """What a notebook shows; Enum refuses such a name in its own body."""

    value: str

    def _repr_html_(self) -> str:
        return self.badge._repr_html_()

    @property
    def badge(self) -> Badge:
        """The verdict as it is shown in a notebook."""
        return Badge(str(self.value), _TONES.get(self, Tone.OPEN))


class Verdict(_Shown, Enum):
    """PROVED and REFUTED are certain; UNDECIDED is not success; VACUOUS means nothing met the assumptions."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    VACUOUS = "vacuous"

    def __bool__(self) -> bool:
        raise TypeError("a verdict has no truth value: compare it with `is`, for UNDECIDED is not success")


_TONES: dict[object, Tone] = {Verdict.PROVED: Tone.YES, Verdict.REFUTED: Tone.NO}


def both(first: Verdict, second: Verdict) -> Verdict:
    """Verdict on a conjunction: one refutation refutes, and only two proofs prove."""
    for verdict in (Verdict.REFUTED, Verdict.UNDECIDED, Verdict.VACUOUS):
        if first is verdict or second is verdict:
            return verdict
    return Verdict.PROVED
