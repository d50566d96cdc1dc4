"""The worker process of `limited`: requests come in through a connection, progress and findings go out."""

from __future__ import annotations

import faulthandler
import signal
from multiprocessing.connection import Connection
from typing import Any

import sympy

from proofs_check.inequalities.search.search import decide
from theory.errors import LocalistError

# A worker whose parent died ends itself this much after its time limit.
_ORPHANED = 5.0


def serve(handle: int) -> None:
    """Answers every request until the other end of the connection is closed."""
    # Ctrl-C in a terminal reaches every process; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(handle)
    connection.send("ready")
    while True:
        try:
            # sympy builds an expression anew from its parts, and would simplify what was kept unevaluated.
            with sympy.evaluate(False):
                request, seconds = connection.recv()
        except EOFError:
            return
        # Ends the process from a C thread, whatever the interpreter is doing.
        faulthandler.dump_traceback_later(seconds + _ORPHANED, exit=True)
        try:
            connection.send(decide(request, seconds, connection.send))
        except LocalistError as error:
            connection.send(error)
        faulthandler.cancel_dump_traceback_later()
