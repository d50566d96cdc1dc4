"""Shared by the tests of audits: a text, rules, promises, and an audit of the decoder in a folder."""

import json

from empirical.audit.files import write_audit
from empirical.audit.manifest import Options

TEXT = "A sentence follows another one, and 12 words stand in it. " * 8
RULES = """
[[rule]]
name = "digits <b>"
when = 'class(digit)'
target = 'own block'
fidelity = 0.3

[[rule]]
name = "push"
when = 'seen_before'
target = 'block 0'
strength = 0.5
heads = [0]
"""
PROMISES = ("fidelity>=0.01 in layers 1", "entropy<=3.2 in 60 % of rows")


def audited(folder, **changes):
    """The report of the decoder in a folder on the text beside it, and the folder of the report."""
    options = {"block": 8, "context": 48, "promises": PROMISES}
    options |= {name: changes.pop(name) for name in list(changes) if name in Options.model_fields}
    given = {"text": folder.parent / "text.txt", "options": Options(**options), "progress": False}
    return write_audit(folder, **{**given, **changes})


def dialled(folder, dials):
    """Give the decoder in a folder these dials, and windows of 8 tokens."""
    config = json.loads((folder / "config.json").read_text())
    config["localist"] = {"dials": dials, "block": 8, "temperature": 1.0, "schedule": None, "blocks": "windows"}
    (folder / "config.json").write_text(json.dumps(config))
