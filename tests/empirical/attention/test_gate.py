"""The dial as a gate (B6): output, leak, fidelity and gradients of both implementations match the definition."""

import math

import pytest
import torch
from tiny import Layer, one_thread  # noqa: F401

from empirical.attention.attention import localist_attention
from empirical.attention.block_layout import Layout
from empirical.attention.gate import by_null_key, gated
from empirical.attention.reference import reference_rows

TOKENS = 40
SCALE = 0.25
# Blocks of 2 to 31 tokens, some in several parts; one block fills most of the second sequence.
IRREGULAR = torch.stack(
    (
        torch.tensor([0] * 5 + [1] * 9 + [0] * 4 + [2] * 17 + [3] * 5),
        torch.tensor([7] * 30 + [0, 1, 0, 1, 2, 2, 7, 3, 3, 3]),
    )
)
BLOCKS = {"8": 8, "7": 7, "1": 1, "60": 60, "irregular": IRREGULAR}
BIASES = [0.0, 1e-25, 1e-12, 0.7, 5.0, 30.0, math.inf]
WAYS = [gated, by_null_key]


def blocks(name):
    chosen = BLOCKS[name]
    if isinstance(chosen, int):
        return (torch.arange(TOKENS) // chosen).unsqueeze(0), Layout.of_windows(TOKENS, chosen, torch.device("cpu"))
    return chosen, Layout.of_ids(chosen)


def states(size=1.0, dtype=torch.float64):
    """Leaves with GPT-2's memory layout: tokens before heads, then transposed."""
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(2, TOKENS, 3, 16, generator=generator, dtype=torch.float64) for _ in range(3)]
    leaves[0] *= size
    return [each.to(dtype).requires_grad_() for each in leaves]


def swapped(leaves):
    return [each.transpose(1, 2) for each in leaves]


def definition(leaves, ids, bias):
    rows = reference_rows(*swapped(leaves), ids, SCALE, bias)
    return rows.output, rows.leak, rows.fidelity


def losses(output, leak, fidelity):
    weight = torch.linspace(-1, 1, TOKENS, dtype=torch.float64)
    return {
        "output": (output.double().sin() * weight[:, None]).sum(),
        "leak": (leak.double() * weight).sum(),
        "fidelity": (fidelity.double() ** 2 * weight).sum(),
    }


def gradients(found, leaves, names):
    for leaf in leaves:
        leaf.grad = None
    loss = sum(losses(*found)[name] for name in names)
    if loss.requires_grad:
        loss.backward()
    return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("name", BLOCKS)
def test_gate_matches_the_definition(name, bias, way):
    if math.isinf(bias) and way is by_null_key:
        return
    ids, layout = blocks(name)
    # The definition adds the bias to scores of order 1.
    steps = 1 + (bias if bias < math.inf else 0)
    for wanted in (("output",), ("leak",), ("fidelity",), ("output", "leak", "fidelity")):
        leaves, exact = states(), states()
        found, right = way(*swapped(leaves), layout, SCALE, bias), definition(exact, ids, bias)
        for got, truth in zip(found, right, strict=True):
            torch.testing.assert_close(got, truth, rtol=0, atol=2e-15 * steps)
        for got, truth in zip(gradients(found, leaves, wanted), gradients(right, exact, wanted), strict=True):
            # About fifty roundings of 1e-16 with gradients of order 1.
            torch.testing.assert_close(got, truth, rtol=0, atol=2e-14 * steps)


def test_definition_test_can_fail():
    """A block edge off by one key is found, and so is a bias off by a millionth of a nat."""
    ids, _ = blocks("8")
    leaves = states()
    right = definition(leaves, ids, 0.7)
    moved = ids.clone()
    moved[0, 8] = 0
    for wrong in (definition(leaves, moved, 0.7), definition(leaves, ids, 0.7 + 1e-6)):
        assert float((wrong[0] - right[0]).detach().abs().max()) > 1e-9


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1e-3, 8.0, 60.0])
@pytest.mark.parametrize("bias", [0.0, 0.7, 30.0])
def test_float32_error_is_within_its_rounding_at_any_margin(size, bias, way):
    """Scores reach about 700 nats, so that fidelity and leak come as close to 0 as floats can."""
    ids, layout = blocks("irregular")
    leaves, exact = (
        states(size, torch.float32),
        [each.detach().double().requires_grad_() for each in states(size, torch.float32)],
    )
    found, right = way(*swapped(leaves), layout, SCALE, bias), definition(exact, ids, bias)
    # The rounding of a score, of both sums and of the exponential.
    scores = SCALE * float((leaves[0].norm(dim=-1).max() * leaves[1].norm(dim=-1).max()).detach())
    allowed = 16 * 2**-24 * (16 + scores)
    for got, truth in zip(found, right, strict=True):
        assert got.isfinite().all()
        torch.testing.assert_close(got.double(), truth, rtol=0, atol=allowed * 4)
    assert (found[1] >= 0).all()
    assert (found[2] >= 0).all()
    for got, truth in zip(
        gradients(found, leaves, ("output", "leak")), gradients(right, exact, ("output", "leak")), strict=True
    ):
        assert got.isfinite().all()
        torch.testing.assert_close(got.double(), truth, rtol=0, atol=allowed * 8 * max(1.0, float(truth.abs().max())))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["8", "irregular"])
def test_row_without_complement_has_zero_leak(name, way):
    ids, layout = blocks(name)
    _, leak, fidelity = way(*swapped(states(dtype=torch.float32)), layout, SCALE, 0.3)
    truth = definition(states(), ids, 0.3)[1]
    none = truth == 0
    assert none.any()
    assert not none.all()
    assert (leak[none] == 0).all()
    torch.testing.assert_close(fidelity[none], torch.ones_like(fidelity[none]), rtol=0, atol=2**-22)


def test_hard_mask_has_zero_leak_and_reads_no_other_block():
    _, layout = blocks("7")
    query, key, value = (each.detach() for each in swapped(states()))
    output, leak, fidelity = gated(query, key, value, layout, SCALE, math.inf)
    assert (leak == 0).all()
    assert (fidelity == 1).all()
    key[:, :, :7], value[:, :, :7] = 9.0, math.pi
    again = gated(query, key, value, layout, SCALE, math.inf)[0]
    assert torch.equal(again[:, :, 7:], output[:, :, 7:])
    assert not torch.equal(again[:, :, :7], output[:, :, :7])


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_leak_gradient_survives_tiny_output_gradients(bias):
    """The leak's gradient is kept in rows whose output gradient is 0 or has a square that underflows."""
    ids, layout = blocks("8")
    sizes = torch.tensor([0.0, 1e-300, 1e-200, 1e-139, 1e-30, 1.0], dtype=torch.float64).repeat(7)[:TOKENS]
    leaves, exact = states(), states()
    for each, (output, leak, _) in (
        (leaves, gated(*swapped(leaves), layout, SCALE, bias)),
        (exact, definition(exact, ids, bias)),
    ):
        ((output * sizes[:, None]).sum() + leak.sum()).backward()
        assert all(leaf.grad.isfinite().all() for leaf in each)
    for got, truth in zip(leaves, exact, strict=True):
        torch.testing.assert_close(got.grad, truth.grad, rtol=0, atol=2e-14)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_formats_keep_fidelity_digits(dtype, way):
    """The error is within that of attention in the half format: the null key's score has three columns of digits."""
    ids, layout = blocks("8")
    leaves = states(4.0, dtype)
    output, leak, fidelity = way(*swapped(leaves), layout, SCALE, 1.5)
    exact = [each.detach().double() for each in leaves]
    right = definition(exact, ids, 1.5)
    assert output.dtype == dtype
    step = float(torch.finfo(dtype).eps)
    torch.testing.assert_close(output.double(), right[0], rtol=0, atol=8 * step)
    for got, truth in ((leak, right[1]), (fidelity, right[2])):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), truth, rtol=0, atol=1e-5 if way is gated else 4 * step)


def test_padding_at_most_doubles_a_block():
    layout = Layout.of_ids(IRREGULAR)
    assert sum(int(part.real.sum()) for part in layout.parts) == IRREGULAR.numel()
    assert all(part.places.shape[1] < 2 * int(part.real.sum(1).min()) for part in layout.parts)
    assert sorted({int(part.places.shape[1]) for part in layout.parts}) == [2, 3, 5, 9, 31]


def test_whole_windows_are_views():
    _, layout = blocks("8")
    query = swapped(states())[0]
    (part,) = layout.parts
    assert part.take(query).untyped_storage().data_ptr() == query.untyped_storage().data_ptr()


@pytest.mark.parametrize("dial", [0.0, 0.7, 1.0])
def test_dropout_drops_weights_of_the_dialled_row(dial):
    """At dropout 1/2 half of the weights stay and double; the others are 0."""
    torch.manual_seed(0)
    tokens = 12
    query, key = torch.randn(2, 1, 200, tokens, 8)
    query, key = query[:, :1].expand(-1, 200, -1, -1), key[:, :1].expand(-1, 200, -1, -1)
    value = torch.eye(tokens)[:, :tokens].expand(1, 200, -1, -1)
    weights = localist_attention(Layer(dial, block=4), query, key, value, None)[0].transpose(1, 2)
    dropped = localist_attention(Layer(dial, block=4), query, key, value, None, dropout=0.5)[0].transpose(1, 2)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * weights[kept], rtol=1e-5, atol=1e-6)
    assert abs(float(kept[weights > 1e-9].double().mean()) - 0.5) < 0.03
