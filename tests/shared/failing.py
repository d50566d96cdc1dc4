"""Damages files, fills the disk, and writes the file of a small sweep."""

import errno

SHAPE = "layers = 1\nheads = 2\nwidth = 16\ncontext = 32\nvocabulary = 300"
SWEEP = f"""
seeds = [0]
configurations = ["distributed", "quintic"]
measure_sequences = 1
[model]
{SHAPE}
[locality]
block = 4
[base]
steps = 2
batch = 2
[training]
steps = 2
batch = 2
"""


def sweep_file(folder, text, extra=""):
    path = folder / "SWEEP.toml"
    path.write_text(f'{extra}{SWEEP}[corpus]\ntext = ["{text}"]\n')
    return path


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
