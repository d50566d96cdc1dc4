"""Whether names on a model hub can be looked up, found out once and within seconds.

Without this a machine that has no network waits through half a minute of retries for every file.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from huggingface_hub import constants, get_session

PATIENCE_SECONDS = 4.0


@lru_cache(maxsize=1)
def hub_is_reachable() -> bool:
    """Whether the hub answers at all; False too where `HF_HUB_OFFLINE` is set."""
    if constants.HF_HUB_OFFLINE:
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=PATIENCE_SECONDS)
        # No route, no name, no certificate: each library below has its own type, and all mean no.
        except Exception:
            return
        answered.set()

    # In a thread, because looking up a host's name heeds no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return answered.is_set()


def unreachable() -> str:
    """Why a name was looked for in the local cache only, for the end of an error's line."""
    host = constants.ENDPOINT.partition("://")[2]
    return f"it is no folder here, not in the local cache, and {host} cannot be reached"
