"""Fused attention, its row numbers and its gradients against the float64 reference that stores all rows."""

import contextlib
import math

import numpy as np
import pytest
import torch
from tiny import Layer, one_thread  # noqa: F401
from transformers import AttentionInterface, AttentionMaskInterface, GPT2Config, GPT2LMHeadModel

from empirical.attention import row_pass, row_pieces
from empirical.attention.attach import dial
from empirical.attention.attention import NAME, localist_attention
from empirical.attention.blocks import fixed_windows, visible_counts
from empirical.attention.reference import reference_rows
from empirical.attention.schedule import dial_bias
from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.measuring.rows import measure_rows
from empirical.model import build_model, load_model, save_model
from theory.errors import DomainError

SHAPE = ModelConfig(layers=3, heads=2, width=32, context=48, vocabulary=300)
IRREGULAR = torch.tensor([[0] * 5 + [1] * 9 + [0] * 4 + [2] * 20 + [3] * 10, [0] * 47 + [1]])


def states(size=1.0, dtype=torch.float32, seed=0, tokens=48):
    generator = torch.Generator().manual_seed(seed)
    return [size * torch.randn(2, 2, tokens, 16, generator=generator, dtype=dtype) for _ in range(3)]


@pytest.fixture(params=["one piece", "many pieces", "kernel"])
def way(request, monkeypatch):
    """The pass in one piece, in pieces that end inside blocks, and by the GPU kernel."""
    if request.param == "kernel":
        if torch.cuda.is_available():
            pytest.skip("the kernel runs on the GPU here; it is interpreted only without one")
        kernel = pytest.importorskip("empirical.attention.row_kernel", exc_type=ImportError)
        monkeypatch.setattr(row_pass, "has_kernel", lambda device: True)
        monkeypatch.setattr(kernel, "QUERIES", 16)
        monkeypatch.setattr(kernel, "KEYS", 16)
    elif request.param != "one piece":
        monkeypatch.setattr(row_pieces, "QUERIES", 7)
        monkeypatch.setattr(row_pieces, "CPU_SCORES", 7 * 48)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dial", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("ids", [None, IRREGULAR], ids=["windows", "irregular"])
@pytest.mark.parametrize(
    "size", [pytest.param(0.2, marks=pytest.mark.slow), 1.0, pytest.param(6.0, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("temperature", [pytest.param(1.0, marks=pytest.mark.slow), 0.5])
def test_rows_match_the_reference_within_the_derived_error(dial, ids, size, temperature):
    query, key, value = states(size)
    calls = []
    with torch.no_grad():
        output, _ = localist_attention(
            Layer(dial, temperature),
            query,
            key,
            value,
            None,
            scaling=0.25,
            block_ids=ids,
            row_sink=calls.append,
        )
    used = fixed_windows(48, 8) if ids is None else ids
    truth = reference_rows(query, key, value, used, 0.25 / temperature, dial_bias(dial))
    rows = measure_rows(calls[0], conditionals=True)
    n, m = visible_counts(used.expand(2, -1))
    kept = m < n

    def of(values):
        return values.transpose(0, 1)[:, kept].numpy()

    error = rows.errors
    # Weights are within expm1(mass) of the true ones, and sums have at most 48 terms.
    allowed = (math.expm1(error.mass.max()) + 50 * 2**-24) * float(value.abs().max())
    torch.testing.assert_close(output.double(), truth.output.transpose(1, 2), rtol=0, atol=allowed)
    assert (abs(rows.entropy - of(truth.entropy)) <= error.entropy).all()
    for name in ("fidelity", "leak"):
        exact = of(getattr(truth, name))
        assert (abs(getattr(rows, name) - exact) <= exact * error.mass + rows.leak_floor).all()
    if dial == 1:
        assert (rows.margin == math.inf).all()
        assert (rows.logit_range == math.inf).all()
        assert (rows.leak == 0).all()
    else:
        assert (abs(rows.margin - of(truth.margin)) <= 2 * error.score).all()
        assert (abs(rows.mean_margin - of(truth.mean_margin)) <= 2 * error.mean_score).all()
        assert (abs(rows.logit_range - of(truth.logit_range)) <= 2 * error.score).all()
        for name in ("block_spread", "others_margin", "sink_margin"):
            # Both are infinite where there is no such key.
            close = np.isclose(getattr(rows, name), of(getattr(truth, name)), rtol=0, atol=2 * error.score)
            assert close.all(), name
        assert np.isfinite(rows.sink_margin).any()
    assert (abs(rows.conditional_block - of(truth.conditional_block)) <= 2 * error.entropy).all()
    assert (abs(rows.conditional_rest - of(truth.conditional_rest)) <= 2 * error.entropy).all()
    assert error.entropy.max() < 0.05, "an error bound that large would decide nothing"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dial", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("tokens", [300, 1024])
def test_rows_and_gradients_on_a_gpu(dial, dtype, tokens):
    leaves = [each.cuda().requires_grad_() for each in states(dtype=dtype, tokens=tokens)]
    ids = fixed_windows(tokens, 64, "cuda")
    exact = [each.detach().double().requires_grad_() for each in leaves]
    truth = reference_rows(*exact, ids, 0.25, dial_bias(dial))
    calls = []
    localist_attention(Layer(dial, block=64), *leaves, None, scaling=0.25, row_sink=calls.append)
    rows = measure_rows(calls[0])
    kept = slice(64, None)
    errors = {"entropy": rows.errors.entropy, "fidelity": rows.errors.mass}
    if dial < 1:
        errors["margin"] = 2 * rows.errors.score
    for name, error in errors.items():
        values = getattr(truth, name)[:, :, kept].transpose(0, 1).flatten(1).detach().cpu().numpy()
        assert (abs(getattr(rows, name) - values) <= error).all()
    leak = calls[0].leak
    (calls[0].output.double().sin().mean() + leak.double().mean()).backward()
    (truth.output.sin().mean() + truth.leak.mean()).backward()
    for found, right in zip(leaves, exact, strict=True):
        # A few sums over the whole text, each with the rounding of the format.
        scale = float(right.grad.abs().max())
        allowed = 64 * torch.finfo(dtype).eps * scale
        torch.testing.assert_close(found.grad.double(), right.grad, rtol=0, atol=allowed)


def test_restricted_rows_refuse_a_bias():
    query, key, value = states()
    for keep, bias in (("rest", math.inf), ("block", 0.3)):
        with pytest.raises(DomainError, match=rf"bias {bias} must be 0 on rows restricted to keep='{keep}'"):
            row_pass.pass_rows(query, key, value, fixed_windows(48, 8), 0.25, bias, keep)


@pytest.mark.parametrize(
    ("queries", "heads", "width", "reason"),
    [
        (47, 2, 16, "47 queries and 48 keys are no whole sequence"),
        (48, 1, 16, "heads share keys and values"),
        (48, 2, 8, "heads share keys and values"),
    ],
    ids=["queries", "heads", "width"],
)
def test_refuses_queries_without_a_key_each(queries, heads, width, reason):
    query, key, value = states()
    with pytest.raises(DomainError, match=reason):
        row_pass.pass_rows(query[:, :, :queries], key[:, :heads, :, :width], value, fixed_windows(48, 8), 0.25)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_size_bounds_every_score(dtype):
    """Queries and keys are parallel, so scores reach their bound; also beyond the range of half formats."""
    generator = torch.Generator().manual_seed(4)
    for size in (1.0, 40.0):
        key = (size * torch.randn(1, 1, 48, 16, generator=generator)).to(dtype)
        calls = []
        localist_attention(Layer(0.0), key, key, key, None, scaling=0.25, row_sink=calls.append)
        rows = measure_rows(calls[0])
        own = 0.25 * (key.double() ** 2).sum(-1)[0, :, 8:].numpy()
        assert np.isfinite(rows.size).all()
        assert (rows.size >= own * (1 - 1e-12)).all()


def test_half_formats_are_measured_in_float32():
    query, key, value = states(dtype=torch.bfloat16)
    calls = []
    localist_attention(Layer(0.6), query, key, value, None, row_sink=calls.append)
    rows = measure_rows(calls[0])
    truth = reference_rows(query, key, value, fixed_windows(48, 8), 0.25, dial_bias(0.6))
    for name, error in (("entropy", rows.errors.entropy), ("margin", 2 * rows.errors.score)):
        exact = getattr(truth, name)[:, :, 8:].transpose(0, 1).flatten(1).numpy()
        assert (abs(getattr(rows, name) - exact) <= error).all()
    assert calls[0].output.dtype == torch.bfloat16
    assert rows.errors.entropy.max() < 1e-3


def test_measuring_does_not_change_logits_or_gradients():
    model = build_model(SHAPE, LocalityConfig(schedule="linear", block=8), 300, seed=5)
    tokens = torch.randint(0, 300, (2, 48), generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        plain = model(tokens).logits
        measured = model(tokens, row_sink=measure_rows).logits
    assert (measured - plain).abs().max() <= 1e-6 * plain.abs().max()
    gradients = []
    for options in ({}, {"row_sink": measure_rows}):
        model.zero_grad()
        model(tokens, labels=tokens, **options).loss.backward()
        gradients.append(model.transformer.h[0].attn.c_attn.weight.grad.clone())
    assert torch.equal(*gradients)


def test_rows_are_those_before_dropout():
    query, key, value = states()
    found, outputs = [], []
    for dropout in (0.0, 0.5):
        torch.manual_seed(0)
        output, _ = localist_attention(
            Layer(0.5), query, key, value, None, dropout=dropout, row_sink=lambda call: found.append(measure_rows(call))
        )
        outputs.append(output)
    assert np.array_equal(found[0].entropy, found[1].entropy)
    assert not torch.allclose(*outputs, atol=0.1)


@pytest.mark.parametrize("dial", [0.0, 0.7, 1.0])
def test_gradients_match_the_reference_in_float64(dial):
    def gradients(run):
        leaves = [tensor.requires_grad_() for tensor in states(dtype=torch.float64)]
        weight = torch.linspace(-1, 1, 48, dtype=torch.float64)
        output, leak = run(*leaves)
        ((output.sin() * weight[:, None]).sum() + (leak * weight).sum()).backward()
        return [leaf.grad for leaf in leaves]

    def fused(query, key, value):
        calls = []
        output, _ = localist_attention(Layer(dial), query, key, value, None, scaling=0.25, row_sink=calls.append)
        return output.transpose(1, 2), calls[0].leak

    def reference(query, key, value):
        rows = reference_rows(query, key, value, fixed_windows(48, 8), 0.25, dial_bias(dial))
        return rows.output, rows.leak

    for found, exact in zip(gradients(fused), gradients(reference), strict=True):
        # A few hundred roundings of 1e-16 with gradients of order 1.
        torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", ["distributed", "quintic", "localist"])
def test_future_tokens_change_no_earlier_logit(schedule):
    model = build_model(SHAPE, LocalityConfig(schedule=schedule, block=8), 300, seed=1).eval()
    tokens = torch.randint(0, 300, (2, 48), generator=torch.Generator().manual_seed(2))
    changed = tokens.clone()
    changed[:, 30:] = (changed[:, 30:] + 7) % 300
    with torch.no_grad():
        before, after = model(tokens).logits, model(changed).logits
    assert torch.equal(before[:, :30], after[:, :30])
    assert not torch.equal(before[:, 30], after[:, 30])


def test_causality_test_can_fail():
    """Without the registered mask GPT-2 passes none, and an attention that relies on it sees the future."""

    def careless(module, query, key, value, attention_mask, dropout=0.0, scaling=None, **kwargs):
        output = torch.nn.functional.scaled_dot_product_attention(query, key, value, attention_mask, scale=scaling)
        return output.transpose(1, 2), None

    AttentionInterface.register("careless", careless)
    assert NAME in AttentionMaskInterface().valid_keys()
    model = build_model(SHAPE, LocalityConfig(), 300, seed=1).eval()
    model.set_attn_implementation("careless")
    tokens = torch.zeros(1, 48, dtype=torch.long)
    changed = tokens.clone()
    changed[:, 30:] = 5
    with torch.no_grad():
        assert not torch.equal(model(tokens).logits[:, :30], model(changed).logits[:, :30])


def test_distributed_model_equals_stock_gpt2_and_shares_its_folders(tmp_path):
    stock = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=48, n_embd=32, n_layer=3, n_head=2)).eval()
    stock.save_pretrained(tmp_path / "stock")
    ours = load_model(tmp_path / "stock")
    tokens = torch.randint(0, 300, (2, 48))
    with torch.no_grad():
        expected = stock(tokens).logits
        assert torch.equal(ours(tokens).logits, expected)
    save_model(ours, tmp_path / "ours")
    with torch.no_grad():
        again = GPT2LMHeadModel.from_pretrained(tmp_path / "ours").eval()
        torch.testing.assert_close(again(tokens).logits, expected, rtol=0, atol=1e-6)


def test_saved_folder_restores_its_locality(tmp_path):
    locality = LocalityConfig(schedule="cubic", largest_dial=0.7, block=6, temperature=0.8)
    model = build_model(SHAPE, locality, 300, seed=0).eval()
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.config.localist == model.config.localist
    assert again.config.localist["dials"] == locality.dials(3)
    tokens = torch.randint(0, 300, (1, 48))
    with torch.no_grad():
        assert torch.equal(again(tokens).logits, model(tokens).logits)


def test_moved_dial_is_restored():
    model = build_model(SHAPE, LocalityConfig(schedule="quintic", block=8), 300, seed=0).eval()
    tokens = torch.randint(1, 300, (1, 20), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = model(tokens).logits
        with dial(model, 1.0, block=8):
            assert not torch.allclose(model(tokens).logits, expected)
        with contextlib.suppress(KeyError), dial(model, [0.5, 0.5, 1.0], block=8):
            raise KeyError
        assert torch.equal(model(tokens).logits, expected)
        with dial(model, model.config.localist["dials"], block=8):
            assert torch.equal(model(tokens).logits, expected)


def test_cached_generation_agrees_with_the_whole_sequence():
    model = build_model(SHAPE, LocalityConfig(schedule="localist", block=8), 300, seed=3).eval()
    tokens = torch.randint(1, 300, (1, 20), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        whole = model(tokens).logits
        cache = None
        for index in range(20):
            step = model(tokens[:, index : index + 1], past_key_values=cache, use_cache=True)
            cache = step.past_key_values
            torch.testing.assert_close(step.logits[:, 0], whole[:, index], rtol=0, atol=1e-5)


def test_padding_is_masked():
    model = build_model(SHAPE, LocalityConfig(schedule="localist", block=8), 300, seed=3).eval()
    tokens = torch.randint(1, 300, (1, 12), generator=torch.Generator().manual_seed(4))
    padded = torch.cat((tokens, torch.zeros(1, 4, dtype=torch.long)), dim=1)
    seen = torch.tensor([[1] * 12 + [0] * 4])
    with torch.no_grad():
        torch.testing.assert_close(
            model(padded, attention_mask=seen).logits[:, :12], model(tokens).logits, rtol=0, atol=1e-5
        )


def test_visible_counts_match_brute_force():
    n, m = visible_counts(IRREGULAR)
    for sequence, ids in enumerate(IRREGULAR.tolist()):
        for query in range(len(ids)):
            assert n[sequence, query] == query + 1
            assert m[sequence, query] == ids[: query + 1].count(ids[query])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(1, 47, dtype=torch.long), "do not fit"),
        (torch.zeros(3, 48, dtype=torch.long), "do not fit"),
        (torch.zeros(1, 48), "must be integers"),
        (torch.full((1, 48), -1), "must be at least 0"),
    ],
)
def test_refuses_block_ids_that_do_not_fit(ids, message):
    query, key, value = states()
    with pytest.raises(DomainError, match=message):
        localist_attention(Layer(0.5), query, key, value, None, block_ids=ids)
