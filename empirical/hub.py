"""Checks once, within seconds, whether the model hub can be reached.

Without this a machine without network spends half a minute of retries on every file.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from huggingface_hub import constants, get_session

PATIENCE_SECONDS = 4.0


@lru_cache(maxsize=1)
def hub_is_reachable() -> bool:
    """Whether the hub answers; also False if `HF_HUB_OFFLINE` is set."""
    if constants.HF_HUB_OFFLINE:
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=PATIENCE_SECONDS)
        # No route, no name, no certificate: each library below has its own error type, and all mean no.
        except Exception:
            return
        answered.set()

    # In a thread, because host name lookup ignores the time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return answered.is_set()


def unreachable() -> str:
    """Reason for looking only in the local cache, as the end of an error message."""
    host = constants.ENDPOINT.partition("://")[2]
    return f"it is not a folder here, not in the local cache, and {host} cannot be reached"
