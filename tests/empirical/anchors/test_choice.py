"""Planted anchors are chosen and confirmed; on shuffled labels the false discovery rate keeps its level."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from planted import random_blocks
from scipy.sparse import csr_array, hstack
from scipy.stats import binom

from empirical.anchors import choice
from empirical.anchors.choice import choose, halves
from empirical.anchors.find import find_anchors
from empirical.anchors.labelled import labelled_blocks
from empirical.anchors.tokens import word_tokens
from empirical.training.corpus import python_topics
from theory.errors import DomainError, InputError

LEVEL = 0.05
OPTIONS = {"level": LEVEL, "least": 3, "most": 8, "permutations": None, "seed": 0}


def with_anchors(blocks, rng, share=0.8):
    """The same blocks with one more token per label, in a share of its blocks and in no others."""
    own = blocks.labels[:, None] == np.arange(len(blocks.names))
    planted = csr_array((own & (rng.random(own.shape) < share)).astype(np.int64))
    return replace(blocks, presence=csr_array(hstack((blocks.presence, planted))))


def shuffles_with_discoveries(blocks, shuffles=200):
    """On how many of the shuffled labels any token is chosen.

    All of them are false, so the share of false ones is 1 on these and 0 on the others: its mean is this count over
    that of the shuffles.
    """
    rng = np.random.default_rng(11)
    found = 0
    for index in range(shuffles):
        shuffled = replace(blocks, labels=rng.permutation(blocks.labels))
        found += choose(shuffled, **OPTIONS | {"seed": index}).tokens.size > 0
    return found


def keeps_level(found, shuffles=200):
    """Whether a rate of at most the level gives so many with probability above 1e-6."""
    return binom.sf(found - 1, shuffles, LEVEL) > 1e-6


def test_planted_anchors_are_recovered():
    rng = np.random.default_rng(0)
    blocks = with_anchors(random_blocks(rng, blocks=240), rng)
    found = choose(blocks, **OPTIONS)
    assert sorted(found.tokens[:4]) == [40, 41, 42, 43]
    for token, label, confirmed in zip(found.tokens, found.first.labels, found.confirmed, strict=True):
        if token >= 40:
            assert (label, confirmed) == (token - 40, True)
    # Four of five blocks have their anchor, and the others point nowhere.
    assert 0.05 < found.pointer.error < 0.4
    assert 0.8 < found.pointer.information < np.log(4)


# Blocks and anchors of each label: labels and anchors of unequal frequency, and a rare label.
UNEQUAL = {"city": (600, (0.9, 0.5, 0.15)), "fruit": (240, (0.8, 0.3)), "sea": (40, (0.9, 0.7)), "sky": (120, (0.4,))}


def unequal_text(folder, rng):
    """A text with the anchors of UNEQUAL, named by label and number, among words that say nothing; and its labels."""
    labels = rng.permutation([label for label, (blocks, _) in UNEQUAL.items() for _ in range(blocks)]).tolist()
    paragraphs = []
    for label in labels:
        words = [f"{chr(97 + one)}{chr(97 + two)}" for one, two in rng.integers(8, size=(6, 2))]
        words += [f"{label}x{'i' * each}" for each, share in enumerate(UNEQUAL[label][1], 1) if rng.random() < share]
        paragraphs.append(" ".join(rng.permutation(words)))
    text, labels_file = folder / "text.txt", folder / "labels.json"
    text.write_text("\n\n".join(paragraphs))
    labels_file.write_text(json.dumps({"labels": labels}))
    return text, labels_file


@pytest.mark.parametrize("seed", range(3))
def test_every_planted_anchor_of_a_text_is_recovered(tmp_path, seed):
    text, labels = unequal_text(tmp_path, np.random.default_rng(seed))
    about = find_anchors(text, blocks="paragraphs", labels=labels, seed=seed)
    found = {
        label["label"]: {each["text"] for each in label["anchors"] if each["confirmed"]} for label in about["labels"]
    }
    planted = {
        label: {f"{label}x{'i' * each}" for each in range(1, len(rates) + 1)} for label, (_, rates) in UNEQUAL.items()
    }
    assert {label: found[label] & planted[label] for label in planted} == planted


def test_anchors_of_one_half_are_not_confirmed():
    rng = np.random.default_rng(0)
    blocks = random_blocks(rng, blocks=240)
    one, _ = halves(blocks.labels, np.random.default_rng(0).spawn(3)[0])
    planted = with_anchors(blocks, rng)
    presence = planted.presence.toarray()
    second = np.setdiff1d(np.arange(240), one)
    # On the second half these tokens have another label's blocks.
    presence[second, 40:] = np.roll(presence[second, 40:], 1, axis=1)
    found = choose(replace(planted, presence=csr_array(presence)), **OPTIONS)
    assert set(found.tokens) >= {40, 41, 42, 43}
    assert not found.confirmed[found.tokens >= 40].any()
    assert (found.second.corrected[found.tokens >= 40] <= LEVEL).all()


def test_shuffled_labels_keep_the_false_discovery_rate():
    found = shuffles_with_discoveries(random_blocks(np.random.default_rng(3)))
    print(f"shuffles with a false anchor: {found} of 200")
    assert keeps_level(found)


def false_shares(texts=200):
    """For each of these texts with four planted anchors, the share of false ones among the chosen; 0 if none is."""
    rng, shares = np.random.default_rng(5), []
    for index in range(texts):
        blocks = with_anchors(random_blocks(rng), rng)
        found = choose(blocks, **OPTIONS | {"seed": index}).tokens
        shares.append(np.mean(found < 40) if found.size else 0.0)
    return np.array(shares)


def rate_exceeds_level(shares):
    """Whether the mean share is above the level by more than its sampling error allows."""
    return shares.mean() - 4 * shares.std() / len(shares) ** 0.5 > LEVEL


def test_false_discovery_rate_beside_true_anchors():
    """The expected share of false anchors among those chosen, where some are true."""
    shares = false_shares()
    assert not rate_exceeds_level(shares)
    assert (shares > 0).any(), "the test needs texts with false anchors"
    print(f"mean share of false anchors: {shares.mean():.4f} +- {shares.std() / len(shares) ** 0.5:.4f}")


def test_false_discovery_rate_without_a_correction_is_noticed(monkeypatch):
    monkeypatch.setattr(choice, "false_discovery_control", lambda p: p)
    assert rate_exceeds_level(false_shares())


@pytest.mark.parametrize("planted", ["uncorrected", "too small"])
def test_broken_corrections_exceed_the_rate(monkeypatch, planted):
    blocks = random_blocks(np.random.default_rng(3))
    if planted == "uncorrected":
        monkeypatch.setattr(choice, "false_discovery_control", lambda p: p)
    else:
        p_values = choice.permutation_p_values
        monkeypatch.setattr(choice, "permutation_p_values", lambda *given: p_values(*given) ** 2)
    assert not keeps_level(shuffles_with_discoveries(blocks))


@pytest.mark.slow
def test_real_text_with_shuffled_labels_keeps_the_false_discovery_rate(tmp_path):
    """Words of real text occur together, and the correction's theorem needs no negative dependence."""
    tokens = word_tokens("\n\n".join(python_topics())[:150_000])
    labels = tmp_path / "labels.json"
    labels.write_text('{"labels": []}')
    with pytest.raises(InputError, match="0 labels must be") as refused:
        labelled_blocks(tokens, None, "paragraphs", labels)
    count = int(re.search(r"must be (\d+)", str(refused.value))[1])
    labels.write_text(json.dumps({"labels": [f"label {index % 4}" for index in range(count)]}))
    found = shuffles_with_discoveries(labelled_blocks(tokens, None, "paragraphs", labels))
    print(f"shuffles with a false anchor: {found} of 200")
    assert keeps_level(found)


def test_halves_divide_every_label_evenly():
    labels = np.array([0] * 7 + [1] * 2 + [2] * 11)
    one, two = halves(labels, np.random.default_rng(0))
    assert sorted([*one, *two]) == list(range(20))
    differences = np.bincount(labels[one], minlength=3) - np.bincount(labels[two], minlength=3)
    assert abs(differences).max() <= 1
    assert abs(len(one) - len(two)) <= 1


def test_each_label_has_at_most_so_many_anchors():
    rng = np.random.default_rng(0)
    blocks = random_blocks(rng, blocks=240)
    for _ in range(3):
        blocks = with_anchors(blocks, rng)
    found = choose(blocks, **OPTIONS | {"most": 2})
    assert np.bincount(found.first.labels).tolist() == [2, 2, 2, 2]
    assert (np.diff(found.first.information) <= 0).all()
    assert len(choose(blocks, **OPTIONS).tokens) >= 12


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"level": 0.0}, r"level 0 must lie in \[1e-09, 1\)"),
        ({"level": 1e-320}, r"level 9.99989e-321 must lie in \[1e-09, 1\)"),
        ({"level": float("nan")}, r"level nan must lie in \[1e-09, 1\)"),
        ({"level": 1e-6}, "level 1e-06 for 39 tested tokens takes 38999999 permutations to choose a single one"),
        ({"least": 0}, "least 0 must be at least 1"),
        ({"most": 0}, "most 0 must be at least 1"),
        ({"seed": -1}, r"seed -1 must lie in \[0, 2\^32\)"),
        ({"least": 80}, "no token occurs in 80 of the 40 blocks that choose"),
        ({"permutations": 5}, "permutations 5 must be at least 19"),
    ],
)
def test_bad_choices_are_refused(change, law):
    with pytest.raises(DomainError, match=law):
        choose(random_blocks(np.random.default_rng(0)), **OPTIONS | change)
