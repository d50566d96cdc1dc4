"""Replays every certificate in the folders named: `python -m proofs_check.replay DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from proofs_check.replay import replay


def main(arguments: list[str]) -> int:
    """Replay every certificate in the folders named; exit status 0 if there are some and all hold."""
    paths = [path for folder in arguments for path in sorted(Path(folder).rglob("*.json"))]
    failed = 0
    for path in paths:
        found = replay(path)
        failed += not found.holds
        sys.stdout.write(f"{path}: {f'holds, {found.leaves} boxes' if found.holds else f'FAILS: {found.reason}'}\n")
    sys.stdout.write(f"{len(paths) - failed} of {len(paths)} certificates hold\n")
    return 0 if paths and not failed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
