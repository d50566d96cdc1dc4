"""Files of anchors as `localist anchors --out` writes them, without a search for anchors."""

import json


def anchor_file(path, anchors, model=None, **changes):
    """A file of confirmed anchors, by label: `{"fruit": ["apple"]}`; with a model each text has a token.

    A text that begins with "?" is an anchor that was not confirmed. `changes` replace keys of the file.
    """
    labels = [
        {
            "label": label,
            "anchors": [_anchor(text, model and index) for index, text in enumerate(each)],
        }
        for label, each in anchors.items()
    ]
    found = {"schema": 1, "kind": "anchors", "model": model, "confirmed": 1, "labels": labels} | changes
    path.write_text(json.dumps(found))
    return path


def _anchor(text, token):
    return {"text": text.removeprefix("?"), "id": token, "confirmed": not text.startswith("?"), "chosen": {"p": 0.01}}
