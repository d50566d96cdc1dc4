"""The proximal step's record against a slow count: the extinction step of each group and its predictions."""

import json
import math

import numpy as np
import pytest
import torch
from fused import group_norms, group_view
from tiny import one_thread, tiny  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback

from empirical.training.proximal import MATRICES, GroupProximal, predicted_step
from empirical.training.train import train
from theory.numbers.extinction_steps import adam_update_bound

LAYERS, HEADS, BLOCKS, WIDTH = 2, 2, 2, 8


def model():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS))


def groups_of(net, layer):
    return group_view(net.transformer.h[layer].attn.c_attn.weight.detach(), HEADS, BLOCKS)


class Moves:
    """An optimiser that moves chosen groups by chosen amounts, with a learning rate per step."""

    def __init__(self, net):
        self.net = net
        self.param_groups = [{"lr": 0.0}]

    def step(self, rate, moves):
        self.param_groups[0]["lr"] = rate
        with torch.no_grad():
            for (layer, block, matrix, head), amount in moves.items():
                groups_of(self.net, layer)[block, :, matrix, head] += amount


def run(steps, penalty=1.0, optimizer="sgd", net=None, norms_every=None):
    """A record after these steps, `(rate, moves)` each."""
    net = net or model()
    record = GroupProximal(penalty=penalty, feature_blocks=BLOCKS, optimizer=optimizer, norms_every=norms_every)
    record.on_train_begin(None, None, None, model=net)
    mover = Moves(net)
    for rate, moves in steps:
        record.on_pre_optimizer_step(None, None, None, model=net)
        mover.step(rate, moves)
        record.on_optimizer_step(None, None, None, model=net, optimizer=mover)
    return record, net


def group(record, layer, block, matrix, head):
    (found,) = [
        each
        for each in record.groups()
        if (each["layer"], each["feature_block"], each["matrix"], each["head"])
        == (layer, block, MATRICES[matrix], head)
    ]
    return found


def test_revived_group_is_extinct_from_its_last_zero_step():
    place = (1, 0, 1, 1)
    net = model()
    norms = [group_norms(net.transformer.h[layer].attn.c_attn.weight.detach(), HEADS, BLOCKS) for layer in range(2)]
    largest = max(float(each.max()) for each in norms)
    # All groups become zero in step 2. One is moved away in step 4 and is zero again from step 6.
    steps = [(0.001, {}), (2 * largest, {}), (0.1, {}), (0.01, {place: 1.0}), (0.01, {}), (1e3, {}), (0.1, {})]
    for count, expected, others in (
        (1, None, None),
        (2, 2, 2),
        (3, 2, 2),
        (4, None, 2),
        (5, None, 2),
        (6, 6, 2),
        (7, 6, 2),
    ):
        record, _ = run(steps[:count])
        assert group(record, *place)["extinct_step"] == expected
        assert {each["extinct_step"] for each in record.groups()} == {expected, others}
        assert len(record.collapsed()) == (0 if count == 1 else LAYERS * HEADS)
    revived, _ = run(steps[:4])
    assert {(each["layer"], each["head"]) for each in revived.collapsed()} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    both = {place: 1.0, (1, 1, 0, 1): 1.0}
    lost, _ = run([*steps[:3], (0.01, both)])
    assert {(each["layer"], each["head"]) for each in lost.collapsed()} == {(0, 0), (0, 1), (1, 0)}


def test_largest_step_is_the_optimiser_step_over_its_rate_while_alive():
    place, other = (0, 1, 0, 1), (1, 0, 1, 0)
    rows = WIDTH // BLOCKS
    size = math.sqrt(rows * WIDTH // HEADS)
    steps = [(0.5, {place: 0.2, other: -0.1}), (0.1, {place: 0.1}), (0.0, {place: 7.0}), (0.2, {place: 0.001})]
    record, _ = run(steps, penalty=1e-6)
    assert group(record, *place)["largest_step"] == pytest.approx(0.1 / 0.1 * size, rel=1e-5)
    assert group(record, *other)["largest_step"] == pytest.approx(0.1 / 0.5 * size, rel=1e-5)
    assert group(record, 0, 0, 0, 0)["largest_step"] == 0
    # A step that moves an extinct group does not count.
    dead, _ = run([(0.5, {place: 0.2}), (1e4, {}), (0.1, {place: 5.0})])
    assert group(dead, *place)["largest_step"] == pytest.approx(0.2 / 0.5 * size, rel=1e-5)


def test_step_shrinks_groups_by_rate_times_penalty():
    net = model()
    before = {name: each.detach().clone() for name, each in net.named_parameters()}
    _, net = run([(0.02, {}), (0.03, {})], penalty=0.1, net=net)
    for name, each in net.named_parameters():
        if not name.endswith("attn.c_attn.weight"):
            assert torch.equal(each, before[name]), name
            continue
        assert torch.equal(each[:, 2 * WIDTH :], before[name][:, 2 * WIDTH :])
        moved = group_norms(before[name], HEADS, BLOCKS) - group_norms(each.detach(), HEADS, BLOCKS)
        torch.testing.assert_close(moved, torch.full_like(moved, 0.05 * 0.1), rtol=1e-3, atol=0)


def test_norms_are_those_after_every_second_step():
    """An optimiser that does not move leaves each norm less by rate times penalty at each step, down to zero."""
    record, _ = run([(0.02, {})] * 7, norms_every=2)
    report = record.report()
    assert report["learning_rates"] == [0.02] * 7
    for each in report["groups"]:
        assert each["norms"] == pytest.approx([max(0.0, each["norm_start"] - 0.02 * n) for n in (2, 4, 6)], abs=1e-7)
    assert {0.0} < {norm for each in report["groups"] for norm in each["norms"]}
    assert "norms" not in run([(0.02, {})])[0].report()["groups"][0]


def test_zero_rate_changes_nothing():
    record, net = run([(0.0, {})], penalty=1e9)
    assert torch.equal(net.transformer.h[0].attn.c_attn.weight, model().transformer.h[0].attn.c_attn.weight)
    assert record.rates == [0.0]
    assert {each["extinct_step"] for each in record.groups()} == {None}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_predictions_count_from_the_start(optimizer):
    steps = [(0.002 * (9 - index), {(0, 0, 0, 0): 0.0001}) for index in range(9)]
    for penalty in (3.0, 40.0, 120.0):
        record, _ = run(steps, penalty=penalty, optimizer=optimizer)
        fresh = model()
        assert record.group_size == WIDTH // BLOCKS * WIDTH // HEADS == 16
        for layer in range(LAYERS):
            starts = group_norms(fresh.transformer.h[layer].attn.c_attn.weight.detach(), HEADS, BLOCKS)
            for block, matrix, head in torch.cartesian_prod(*map(torch.arange, starts.shape)).tolist():
                found = group(record, layer, block, matrix, head)
                start = float(starts[block, matrix, head])
                assert found["norm_start"] == pytest.approx(start, rel=1e-6)
                reach = found["largest_step"]
                assert (reach > 0) == ((layer, block, matrix, head) == (0, 0, 0, 0))
                for name, gains in (
                    ("predicted_step_measured", [rate * (penalty - reach) for rate, _ in steps]),
                    (
                        "predicted_step_universal",
                        [rate * (penalty - 4 * float(adam_update_bound(t + 1))) for t, (rate, _) in enumerate(steps)],
                    ),
                ):
                    total, expected = 0.0, None
                    for step, gain in enumerate(gains, 1):
                        total += gain
                        if total >= start and expected is None:
                            expected = step if min(gains[step - 1 :]) >= 0 else None
                            break
                    if name.endswith("universal") and optimizer == "sgd":
                        expected = None
                    assert found[name] == expected


def test_predicted_step_reaches_the_norm_exactly():
    assert predicted_step(1.0, np.array([1.0, 0.0])) == 1
    assert predicted_step(1.0, np.array([0.0, 1.0, 0.0])) == 2
    assert predicted_step(1.0, np.array([0.99, 0.0])) is None
    # A negative gain before the predicted step is no revival.
    assert predicted_step(1.0, np.array([-0.5, 0.5, 1.0])) == 3
    assert predicted_step(1.0, np.array([1.0, -0.1])) is None


def test_record_continues_from_a_checkpoint(tmp_path):
    """A run interrupted after a checkpoint ends with the report of an uninterrupted one."""

    class Cut(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 5:
                raise InterruptedError

    config = tiny(
        objective={"group_penalty": 5.0, "feature_blocks": 4, "norms_every": 2},
        training={"steps": 8, "checkpoint_steps": 3, "optimizer": "sgd", "learning_rate": 0.02, "warmup_steps": 0},
    )
    whole = train(config, tmp_path / "whole", progress=False)
    with pytest.raises(InterruptedError):
        train(config, tmp_path / "cut", progress=False, watchers=[Cut()])
    cut = train(config, tmp_path / "cut", resume=True, progress=False)
    reports = [json.loads((folder / "groups.json").read_text()) for folder in (whole, cut)]
    assert reports[0] == reports[1]
    steps = {each["extinct_step"] for each in reports[0]["groups"]}
    assert any(step and step <= 3 for step in steps), "the test needs a group that is extinct before the checkpoint"
    norms = np.array([each["norms"] for each in reports[0]["groups"]])
    zero = np.array([each["extinct_step"] or 99 for each in reports[0]["groups"]])
    assert ((norms == 0) == (zero[:, None] <= np.array([2, 4, 6, 8]))).all()
