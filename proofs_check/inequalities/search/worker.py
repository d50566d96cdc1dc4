"""The worker process of `limited`: requests come in on stdin and findings go out on stdout.

Both are JSON, one object per line; nothing that comes in is executed.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.findings import finding_to_json
from proofs_check.inequalities.search.request import Request
from proofs_check.inequalities.search.search import decide
from theory.errors import LocalistError

# A worker whose parent died ends itself this much after its time limit.
_ORPHANED = 5.0


def serve() -> None:
    """Answers every request until stdin ends."""
    # Ctrl-C in a terminal reaches every process; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    say({"ready": True})
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        # Ends the process from a C thread, whatever the interpreter is doing.
        faulthandler.dump_traceback_later(asked["seconds"] + _ORPHANED, exit=True)
        say(_answer(asked, say))
        faulthandler.cancel_dump_traceback_later()


def _answer(asked: dict[str, Any], say: Any) -> dict[str, Any]:
    def report(state: Progress) -> None:
        say({"progress": asdict(state)})

    try:
        return {"finding": finding_to_json(decide(Request.from_json(asked["request"]), asked["seconds"], report))}
    except LocalistError as error:
        return {"refused": str(error)}
