"""The files of an audit: `report.json`, `report.html` and, beyond a limit, all exceptions.

`report.json` is written last and removed first: where it is, the others are those that belong to it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from empirical.audit.exceptions import FILE_NAME, INLINE, collected
from empirical.audit.manifest import Options
from empirical.audit.page import page
from empirical.audit.report import audit
from empirical.audit.shown import AuditReport
from empirical.locks import alone_in
from theory.errors import DomainError, InputError
from theory.files import check_writable, write_text_atomically

REPORT_NAME, PAGE_NAME, FOLDER_NAME = "report.json", "report.html", "audited"


def write_audit(
    model: Path | str,
    *,
    text: Path | None = None,
    rules: Path | None = None,
    options: Options | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> tuple[AuditReport, Path]:
    """Audit, and write the report into `out`, by default `MODEL/audited`; returns it and the folder.

    Interrupted, it leaves the files of an earlier audit as they were. Raises InputError, DomainError.
    """
    folder = out
    if folder is None:
        if not Path(model).is_dir():
            raise DomainError(f"{model} is no folder here: say with --out where its report goes")
        folder = Path(model) / FOLDER_NAME
    with alone_in(folder, "auditing"):
        check_writable(folder / REPORT_NAME)
        with collected(folder) as exceptions:
            about = audit(model, exceptions, text=text, rules=rules, options=options, progress=progress)
            about = AuditReport({"time": datetime.now(UTC).isoformat(timespec="seconds"), **about})
            shown = page(about)
            try:
                (folder / REPORT_NAME).unlink(missing_ok=True)
                exceptions.close(folder / FILE_NAME if exceptions.count > INLINE else None)
                if exceptions.count <= INLINE:
                    (folder / FILE_NAME).unlink(missing_ok=True)
            except OSError as error:
                raise InputError(f"cannot write into {folder}: {error.strerror or error}") from error
        write_text_atomically(folder / PAGE_NAME, shown)
        write_text_atomically(folder / REPORT_NAME, written(about))
    return about, folder


def written(about: dict[str, Any]) -> str:
    """The text of `report.json`."""
    return json.dumps(about, indent=1, allow_nan=False) + "\n"
