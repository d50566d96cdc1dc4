"""Replays the certificates in files and folders: `python -m proofs_check.inequalities.replay FILE-OR-FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from proofs_check.inequalities.replay import replay_all


def main(arguments: list[str]) -> int:
    """Replays every certificate in the named places; exit status 0 if there is at least one and all hold."""
    found = [each for place in arguments for each in replay_all(Path(place))]
    for name, result in found:
        told = f"holds, {result.leaves} boxes: {result.claim}" if result.holds else f"FAILS: {result.reason}"
        sys.stdout.write(f"{name}: {told}\n")
    held = sum(result.holds for _, result in found)
    sys.stdout.write(f"{held} of {len(found)} certificates hold\n")
    return 0 if found and held == len(found) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
