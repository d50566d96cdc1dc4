"""The objective's terms agree with the reference; the proximal step meets its optimality conditions."""

import json
import math

import numpy as np
import pytest
import torch
from fused import group_norms, group_view, shrink_groups
from tiny import Layer, one_thread, tiny  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback

from empirical.attention.attention import localist_attention
from empirical.attention.blocks import fixed_windows
from empirical.attention.reference import reference_rows
from empirical.attention.schedule import dial_bias
from empirical.config import ModelConfig, ObjectiveConfig, run_config
from empirical.locality import LocalityConfig
from empirical.measuring.measure import measure
from empirical.model import build_model, load_model
from empirical.training.objective import AttentionObjective
from empirical.training.proximal import GroupProximal, predicted_step
from empirical.training.train import train, training_summary
from theory.errors import DomainError
from theory.numbers.extinction_steps import adam_update_bound


@pytest.mark.parametrize("dial", [0.0, 0.6])
def test_loss_and_gradients_match_the_reference(dial):
    config = ObjectiveConfig(off_block_penalty=0.7, fidelity_floor=0.5, floor_weight=2.0)

    def leaves():
        generator = torch.Generator().manual_seed(0)
        return [torch.randn(2, 3, 24, 8, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]

    query, key = leaves()
    rows = AttentionObjective(config)
    localist_attention(Layer(dial, block=6), query, key, torch.zeros_like(key), None, row_sink=rows)
    rows.loss().backward()

    exact_query, exact_key = leaves()
    ids = fixed_windows(24, 6)
    truth = reference_rows(exact_query, exact_key, torch.zeros_like(key), ids, 8**-0.5, dial_bias(dial))
    kept = slice(6, None)
    floor = (0.5 - truth.fidelity[..., kept]).clamp_min(0).mean()
    exact = 0.7 * truth.leak[..., kept].mean() + 2.0 * floor
    exact.backward()
    torch.testing.assert_close(rows.loss(), exact, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(query.grad, exact_query.grad, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(key.grad, exact_key.grad, rtol=1e-10, atol=1e-14)
    assert float(floor.detach()) > 0, "the test needs rows below the floor"


def test_refuses_an_objective_without_rows():
    with pytest.raises(DomainError, match="saw no attention layer"):
        AttentionObjective(ObjectiveConfig(off_block_penalty=1.0)).loss()


def test_penalty_moves_attention_onto_the_block(tmp_path):
    plain = train(tiny(locality={"schedule": "distributed"}), tmp_path / "plain", progress=False)
    pressed = train(
        tiny(locality={"schedule": "distributed"}, objective={"off_block_penalty": 5.0}),
        tmp_path / "pressed",
        progress=False,
    )
    leaks = [measure(folder, sequences=4, progress=False).rows["leak_mean"].mean() for folder in (plain, pressed)]
    assert leaks[1] < leaks[0] - 0.05
    logged = [entry["leak"] for entry in training_summary(pressed)["losses"]]
    assert logged[-1] < logged[0]


def test_groups_are_heads_by_feature_blocks_of_query_and_key():
    model = build_model(ModelConfig(layers=1, heads=2, width=8, context=8, vocabulary=300), LocalityConfig(), 300, 0)
    weight = model.transformer.h[0].attn.c_attn.weight.detach()
    view = group_view(weight, heads=2, blocks=4)
    assert torch.equal(view[3, :, 1, 1], weight[6:8, 8 + 4 : 8 + 8])
    assert view.data_ptr() == weight.data_ptr()
    expected = torch.linalg.norm(weight[2:4, 4:8])
    torch.testing.assert_close(group_norms(weight, 2, 4)[1, 0, 1], expected)
    with pytest.raises(DomainError, match="feature blocks 3 must divide the width 8"):
        group_view(weight, 2, 3)


@pytest.mark.parametrize("amount", [0.01, 0.4, 10.0])
def test_shrinking_meets_the_optimality_conditions(amount):
    """`w` minimises `|w - w0|^2 / 2 + amount |w|`: `w0 - w` is `amount w / |w|`, or within `amount` at 0."""
    before = torch.randn(8, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 4
    before[:2, :4] = 0
    after = before.clone()
    shrink_groups(after, heads=2, blocks=4, amount=amount)
    assert torch.equal(after[:, 16:], before[:, 16:]), "W_V is not penalised"
    old, new = group_view(before, 2, 4), group_view(after, 2, 4)
    norms = group_norms(after, 2, 4)
    for block, matrix, head in torch.cartesian_prod(*map(torch.arange, norms.shape)).tolist():
        start, end = old[block, :, matrix, head], new[block, :, matrix, head]
        if norms[block, matrix, head] == 0:
            assert torch.linalg.norm(start) <= amount
        else:
            torch.testing.assert_close(start - end, amount * end / torch.linalg.norm(end))


def test_adam_step_bound_is_attained_and_never_exceeded():
    beta1, beta2 = 0.9, 0.999

    def update(gradients):
        first = second = 0.0
        for gradient in gradients:
            first = beta1 * first + (1 - beta1) * gradient
            second = beta2 * second + (1 - beta2) * gradient**2
        steps = len(gradients)
        return first / (1 - beta1**steps) / math.sqrt(second / (1 - beta2**steps))

    for steps in (1, 2, 7, 40):
        worst = [(beta2 / beta1) ** index for index in range(steps)]
        assert update(worst) == pytest.approx(adam_update_bound(steps), rel=1e-12)
    generator = np.random.default_rng(0)
    for _ in range(50):
        steps = int(generator.integers(1, 60))
        assert abs(update(generator.standard_cauchy(steps))) <= adam_update_bound(steps) * (1 + 1e-12)
    with pytest.raises(DomainError, match="beta1"):
        adam_update_bound(3, 0.99, 0.9)


@pytest.mark.parametrize(
    ("optimizer", "penalty", "rate"), [("sgd", 3.0, 0.05), ("adamw", 400.0, 1e-4), ("adamw", 40.0, 1e-3)]
)
def test_groups_are_extinct_by_the_predicted_step(tmp_path, optimizer, penalty, rate):
    config = tiny(
        objective={"group_penalty": penalty, "feature_blocks": 4},
        training={"steps": 30, "optimizer": optimizer, "learning_rate": rate, "warmup_steps": 2},
    )
    folder = train(config, tmp_path / "run", progress=False)
    report = json.loads((folder / "groups.json").read_text())
    assert report["weights_in_a_group"] == 8 * 16
    assert len(report["groups"]) == 3 * 2 * 2 * 4
    predictions = 0
    for group in report["groups"]:
        for name in ("predicted_step_measured", "predicted_step_universal"):
            if group[name] is not None:
                predictions += 1
                # One more step in floating point (C4).
                assert group["extinct_step"] is not None
                assert group["extinct_step"] <= group[name] + 1
    assert predictions > 0
    if penalty == 400.0:
        assert all(group["predicted_step_universal"] for group in report["groups"])
    weight = load_model(folder).transformer.h[0].attn.c_attn.weight
    dead = {
        (g["feature_block"], g["matrix"], g["head"]) for g in report["groups"] if g["layer"] == 0 and g["extinct_step"]
    }
    zeros = {
        (block, ("query", "key")[matrix], head)
        for block, matrix, head in (group_norms(weight, 2, 4) == 0).nonzero().tolist()
    }
    assert dead == zeros
    if all(group["extinct_step"] for group in report["groups"]):
        assert len(report["collapsed_heads"]) == 3 * 2
        assert measure(folder, sequences=2, progress=False).violations == 0


def test_weak_penalty_empties_no_group_and_predicts_no_step(tmp_path):
    config = tiny(objective={"group_penalty": 1e-6, "feature_blocks": 4}, training={"steps": 3})
    folder = train(config, tmp_path / "run", progress=False)
    report = json.loads((folder / "groups.json").read_text())
    assert report["collapsed_heads"] == []
    for group in report["groups"]:
        assert group["extinct_step"] is None
        assert group["predicted_step_universal"] is None


def test_group_record_survives_a_checkpoint():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=2))
    record = GroupProximal(penalty=5.0, feature_blocks=2, optimizer="sgd")
    record.on_train_begin(None, None, None, model=model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        record.on_pre_optimizer_step(None, None, None, model=model)
        record.on_optimizer_step(None, None, None, model=model, optimizer=optimizer)
    again = GroupProximal(penalty=5.0, feature_blocks=2, optimizer="sgd")
    again.restore(json.loads(json.dumps(record.state()))["attributes"])
    assert again.groups() == record.groups()
    assert again.groups()[0]["extinct_step"] == 1


@pytest.mark.parametrize(("matrices", "lost"), [((), False), ((0,), True), ((1,), True), ((0, 1), True)])
def test_head_collapses_with_one_whole_matrix_only(matrices, lost):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=2, n_head=2))
    with torch.no_grad():
        groups = group_view(model.transformer.h[1].attn.c_attn.weight, heads=2, blocks=2)
        groups[0, :, 0, 0] = 0
        groups[1, :, 1, 0] = 0
        for matrix in matrices:
            groups[:, :, matrix, 0] = 0
    record = GroupProximal(penalty=0.0, feature_blocks=2, optimizer="sgd")
    record.on_train_begin(None, None, None, model=model)
    record.on_pre_optimizer_step(None, None, None, model=model)
    record.on_optimizer_step(None, None, None, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    assert record.collapsed() == ([{"layer": 1, "head": 0}] if lost else [])


def test_predictions_use_the_optimiser_betas():
    """A penalty between the two thresholds suffices for one pair of betas but not for the other."""
    pairs, steps = ((0.9, 0.999), (0.9, 0.9)), 200
    usual, other = (2 * adam_update_bound(steps, *betas) for betas in pairs)
    assert other < usual
    found = {}
    for betas in pairs:
        record = GroupProximal(penalty=(usual + other) / 2, feature_blocks=1, betas=betas)
        record.rates, record.group_size = [0.01] * steps, 4
        record.start = [torch.full((1, 1), 0.1)] * 2
        record.reach = record.extinct = [torch.zeros(1, 1)] * 2
        found[betas] = record.groups()[0]["predicted_step_universal"]
    assert found[0.9, 0.999] is None
    assert found[0.9, 0.9] is not None


def test_optimiser_has_the_betas_of_the_predictions(tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.training.train.ADAM_BETAS", (0.8, 0.95))
    seen = []

    class Watcher(TrainerCallback):
        def on_optimizer_step(self, args, state, control, optimizer=None, **kwargs):
            seen.extend(group["betas"] for group in optimizer.param_groups)

    made = []
    monkeypatch.setattr(
        "empirical.training.train.GroupProximal", lambda *given: made.append(GroupProximal(*given)) or made[0]
    )
    config = tiny(objective={"group_penalty": 1.0, "feature_blocks": 4}, training={"steps": 1})
    train(config, tmp_path / "run", progress=False, watchers=[Watcher()])
    assert set(seen) == {(0.8, 0.95)}
    assert made[0].betas == (0.8, 0.95)


def test_predicted_step_of_given_gains():
    assert predicted_step(1.0, np.array([0.5, 0.5])) == 2
    # A later negative gain may revive the block.
    assert predicted_step(1.0, np.array([0.5, 0.5, -0.1])) is None
    assert predicted_step(1.0, np.array([0.5, -0.5, 0.9])) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": {"off_block_penalty": -1}}, "off_block_penalty=-1"),
        ({"objective": {"fidelity_floor": 1}}, "fidelity_floor=1"),
        (
            {"objective": {"group_penalty": 1, "feature_blocks": 7}},
            "feature_blocks 7 must divide the width 128",
        ),
        ({"training": {"optimizer": "lion"}}, "optimizer='lion'"),
    ],
)
def test_refuses_feature_blocks_that_do_not_divide_the_width(values, message):
    with pytest.raises(DomainError, match=message):
        run_config(values)
