"""`measure --rows FILE.parquet`: every attention row, written in groups during the measurement, or a sample of them.

The file appears under its name only when complete. Its metadata name the records that it belongs to, and hold the
SHA-256 of its content.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from empirical.measuring.records import BOUNDS, MANIFEST_NAME, QUANTITIES, Records
from empirical.measuring.summary import FIDELITY_BOUND, Judged
from empirical.reserve import Partial, refused
from theory.errors import DomainError, InputError
from theory.files import sha256_of

# Key of the file's JSON metadata.
ROWS_KEY = b"localist"

ROW_FILE_SCHEMA = 2
SUFFIX = ".parquet"

# Least rows in every group but the last.
GROUP_ROWS = 1 << 16

# Seed of the numbers that choose a sample.
SAMPLE_SEED = 0

VERDICTS = ("not violated", "violated", "undecided")

_VERDICT = pa.dictionary(pa.int8(), pa.string())


def _columns() -> dict[str, tuple[Any, str]]:
    columns = {
        "dial_largest": (pa.float64(), "largest dial over the layers in this pass"),
        "sequence": (pa.int32(), "held-out sequence, from 0"),
        "position": (pa.int32(), "the query's position in its sequence, from 0"),
        "token": (pa.int32(), "token at that position"),
        "layer": (pa.int32(), "layer, from 0"),
        "head": (pa.int32(), "head, from 0"),
        "dial": (pa.float64(), "dial on this layer, 1 is the hard block mask"),
        "n": (pa.int32(), "keys that the query sees"),
        "m": (pa.int32(), "keys of its own block that the query sees"),
    }
    columns |= {name: (pa.float64(), meaning) for name, meaning in QUANTITIES.items()}
    columns |= {
        "tolerance_entropy": (pa.float64(), "derived rounding error of the entropy; infinite where undecided"),
        "tolerance_leak": (pa.float64(), "derived relative rounding error of the leak; infinite where undecided"),
        f"bound_{FIDELITY_BOUND}": (pa.float64(), "A2: fidelity_min at the margin"),
    }
    columns |= {f"bound_{name}": (pa.float64(), meaning) for name, meaning in BOUNDS.items()}
    columns["verdict"] = (
        _VERDICT,
        "undecided: the rounding error has no bound; violated: at least one bound, beyond the rounding error",
    )
    columns["violates"] = (pa.string(), "names of the violated bounds, separated by spaces")
    return columns


# Every column of the file, with its type and meaning.
ROW_COLUMNS: dict[str, tuple[Any, str]] = _columns()

# Further columns if the dial was moved.
MOVED_COLUMNS: dict[str, tuple[Any, str]] = {
    "predicted_fidelity": (pa.float64(), "fidelity that B1 predicts from this row in the dial-0 pass"),
    "predicted_entropy": (pa.float64(), "entropy that B2 predicts from this row in the dial-0 pass"),
    "shift": (pa.float64(), "length of the head's output minus that in the dial-0 pass"),
    "predicted_shift": (pa.float64(), "length of that shift, predicted by B3 from the dial-0 pass"),
    "shift_error": (pa.float64(), "length of measured minus predicted shift"),
}


class RowFile:
    """Writes `total` rows into a temporary file; `finish` moves it to its path.

    With `sample` it keeps so many rows of every pass: drawn at random, all equally likely, the same ones in each pass.
    """

    def __init__(self, path: Path, total: int, *, moved: bool, sample: int | None = None) -> None:
        if path.suffix != SUFFIX:
            raise DomainError(f"rows file {path} must end in {SUFFIX}")
        self.path, self._total = path, total
        self._sample, self._pools, self._content = sample, dict[float, _Pool](), ContentDigest()
        columns = ROW_COLUMNS | (MOVED_COLUMNS if moved else {})
        self._schema = pa.schema(
            [pa.field(name, kind, metadata={"meaning": meaning}) for name, (kind, meaning) in columns.items()]
        )
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self.rows = 0
        self._partial = Partial(path)
        try:
            self._stream = self._partial.written.open("wb")
            self._writer = pq.ParquetWriter(self._stream, self._schema, compression="zstd")
        except OSError as error:
            self.drop()
            raise refused(path, error) from error

    @property
    def partial(self) -> Path | None:
        """The temporary file, which a killed process leaves; None for a device."""
        return None if self._partial.is_device else self._partial.written

    def add(self, judged: Judged, dial_largest: float) -> None:
        """Write one batch's rows of one layer. Raises InputError if the disk is full, or will be."""
        columns = _values(judged, dial_largest)
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in self._schema]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        if self._sample is not None:
            self._pools.setdefault(dial_largest, _Pool(self._sample)).add(_chances(judged), batch)
            return
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        if self._waiting_rows >= GROUP_ROWS:
            self._write_group()
            self._check_room()

    def finish(self, records: Records) -> None:
        """Name the records in the file's metadata, and move the file to its path. Raises InputError."""
        folder = records.folder or Path()
        self._waiting += [batch for pool in self._pools.values() for batch in pool.kept]
        self._waiting_rows += sum(len(batch) for pool in self._pools.values() for batch in pool.kept)
        about = {
            "schema": ROW_FILE_SCHEMA,
            "rows": self.rows + self._waiting_rows,
            "records": str(folder),
            "manifest_sha256": sha256_of(folder / MANIFEST_NAME),
            "rows_csv_sha256": records.digest,
            "manifest": records.manifest,
        }
        if self._sample is not None:
            seen = max(pool.seen for pool in self._pools.values())
            about["sample"] = {"rows_of_each_pass": self._sample, "of": seen, "seed": SAMPLE_SEED}
        self._write_group()
        about["content_sha256"] = self._content.hexdigest()
        try:
            self._writer.add_key_value_metadata({ROWS_KEY: json.dumps(about).encode("utf-8")})
            self._writer.close()
            self._stream.close()
            self._partial.commit()
        except OSError as error:
            raise self._full(error) from error

    def drop(self) -> None:
        """Remove an unfinished file."""
        with suppress(Exception):
            # An open writer would try to write the file's footer later.
            self._writer.close()
        with suppress(Exception):
            self._stream.close()
        self._partial.drop()

    def _write_group(self) -> None:
        if not self._waiting:
            return
        try:
            table = pa.Table.from_batches(self._waiting)
            self._content.update(table)
            self._writer.write_table(table, row_group_size=self._waiting_rows)
            self._stream.flush()
        except OSError as error:
            raise self._full(error) from error
        self.rows += self._waiting_rows
        self._waiting, self._waiting_rows = [], 0

    def _check_room(self) -> None:
        """Raise InputError if the disk has no room for the remaining rows, judged by the size of those written."""
        needed = self._stream.tell() / self.rows * (self._total - self.rows)
        free = shutil.disk_usage(self._partial.written.parent).free
        if needed > free:
            raise InputError(
                f"cannot write {self.path}: the remaining rows take about {needed / 2**30:.3g} GiB, "
                f"the disk has {free / 2**30:.3g} GiB. Measure fewer sequences with --sequences."
            )

    def _full(self, error: OSError) -> InputError:
        return InputError(f"{refused(self.path, error)}. Measure fewer sequences with --sequences.")


@contextmanager
def row_file(
    path: Path | str | None, total: int, *, moved: bool, sample: int | None = None
) -> Iterator[RowFile | None]:
    """Yields a file of `total` rows at `path`, None for None; removes it unless finished within the context.

    `sample` is as in `RowFile`. Raises InputError if it cannot be written, DomainError for another suffix.
    """
    if path is None:
        yield None
        return
    file = RowFile(Path(path), total, moved=moved, sample=sample)
    try:
        yield file
    finally:
        file.drop()


class ContentDigest:
    """SHA-256 of a table's columns, however its rows are grouped."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def update(self, table: pa.Table) -> None:
        """Add rows."""
        for name in table.column_names:
            values = table.column(name).to_numpy()
            plain = values.dtype != object
            data = values.tobytes() if plain else "".join(f"{each}\n" for each in values).encode("utf-8")
            self._columns.setdefault(name, hashlib.sha256()).update(data)

    def hexdigest(self) -> str:
        """The digest of all columns' digests, in their order."""
        lines = (f"{name} {column.hexdigest()}\n" for name, column in self._columns.items())
        return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def read_rows(path: Path | str, *, verify: bool = True) -> tuple[Any, dict[str, Any]]:
    """A row file as a table of pandas, and what its metadata say. Raises InputError.

    Without `verify` it is read although its content is not as stated.
    """
    try:
        with pq.ParquetFile(path) as file:
            table, about = file.read(), json.loads((file.metadata.metadata or {}).get(ROWS_KEY, b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is no table: {str(error).splitlines()[0]}") from error
    if not isinstance(about, dict):
        raise InputError(f"{path} is not a file of `localist measure --rows`")
    content = ContentDigest()
    content.update(table)
    if verify and about.get("content_sha256") != content.hexdigest():
        raise InputError(f"{path} does not match the SHA-256 of its rows in its metadata")
    return table.to_pandas(), about


class _Pool:
    """The `size` rows with the least chances among those added."""

    def __init__(self, size: int) -> None:
        self._size, self.seen = size, 0
        self._chances: NDArray[np.float64] = np.empty(0)
        self.kept: list[pa.RecordBatch] = []

    def add(self, chances: NDArray[np.float64], batch: pa.RecordBatch) -> None:
        self.seen += len(chances)
        full = len(self._chances) >= self._size
        chosen = np.flatnonzero(chances < self._chances.max()) if full else np.arange(len(chances))
        if not len(chosen):
            return
        table = pa.Table.from_batches([*self.kept, batch.take(pa.array(chosen))])
        found = np.concatenate([self._chances, chances[chosen]])
        # In the order of arrival.
        least = np.sort(np.argsort(found, kind="stable")[: self._size])
        self._chances = found[least]
        self.kept = table.take(pa.array(least)).combine_chunks().to_batches()


def _chances(judged: Judged) -> NDArray[np.float64]:
    """A random number for every row, head after head, which depends on the row's place alone."""
    batch = judged.batch
    heads = len(batch.rows.leak)
    generator = np.random.default_rng([SAMPLE_SEED, int(batch.sequences[0]), batch.layer])
    drawn = generator.random((int(batch.positions.max()) + 1, heads))
    return np.asarray(drawn[batch.positions].T.ravel())


def _values(judged: Judged, dial_largest: float) -> dict[str, Any]:
    """Columns of a batch's rows of one layer, head after head."""
    batch, rows = judged.batch, judged.batch.rows
    heads, count = rows.leak.shape
    undecided, violated = rows.undecided, judged.violated
    verdict = np.where(undecided, 2, np.where(violated, 1, 0)).astype(np.int8)
    violates = np.full((heads, count), "", dtype=object)
    for name, check in judged.checks.items():
        violates[check.violated] += f"{name} "
    whole: dict[str, Any] = {name: getattr(rows, name) for name in QUANTITIES}
    whole |= {
        "n": rows.keys,
        "m": rows.block_keys,
        "sequence": batch.sequences,
        "position": batch.positions,
        "token": batch.tokens,
        "head": np.arange(heads)[:, None],
        "layer": batch.layer,
        "dial": batch.dials[:, None],
        "dial_largest": dial_largest,
        "tolerance_entropy": rows.errors.entropy,
        "tolerance_leak": rows.errors.mass,
        f"bound_{FIDELITY_BOUND}": judged.least_fidelity,
    }
    whole |= {f"bound_{name}": check.bound for name, check in judged.checks.items()}
    if judged.predicted is not None and batch.shift is not None:
        whole |= {"predicted_fidelity": judged.predicted[0], "predicted_entropy": judged.predicted[1]}
        whole |= {
            "shift": batch.shift.measured,
            "predicted_shift": batch.shift.predicted,
            "shift_error": batch.shift.error,
        }
    flat: dict[str, Any] = {name: np.broadcast_to(each, (heads, count)).ravel() for name, each in whole.items()}
    flat["verdict"] = pa.DictionaryArray.from_arrays(pa.array(verdict.ravel()), pa.array(VERDICTS))
    flat["violates"] = pa.array([names.strip() for names in violates.ravel()], type=pa.string())
    return flat
