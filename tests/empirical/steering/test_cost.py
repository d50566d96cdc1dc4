"""Cost of generation with rules, beside generation without: CPU seconds per token."""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext

import pytest
import torch
from tiny import one_thread  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel

from empirical.attention.attach import Attachment
from empirical.attention.block_kinds import WindowBlocks
from empirical.steering.firings import Firings, SteeringRule
from empirical.steering.steered import steered

VOCABULARY, PROMPT, NEW, ROUNDS = 4000, 128, 48, 5
# Width, layers and heads: a small model, in which rules weigh most, and those of GPT-2 small.
SHAPES = {"6 layers of 384": (384, 6, 6), "GPT-2 small": (768, 12, 12)}


class RandomPlan:
    """Each of `rules` fires at a share of the tokens, so that `firing` of them do on average, and targets 5 %."""

    def __init__(self, rules, firing):
        generator = torch.Generator().manual_seed(2)
        # All promises together are possible.
        self.rules = [SteeringRule(str(number), promise=min(0.3, 0.9 / rules)) for number in range(rules)]
        self.condition = torch.rand(rules, VOCABULARY, generator=generator) < firing / rules
        self.target = torch.rand(rules, VOCABULARY, generator=generator) < 0.05

    def firings(self, text):
        return Firings(self.rules, self.condition[:, text.tokens[:, -text.queries :]], self.target[:, text.tokens])


def ratios(shape, rounds=ROUNDS):
    """CPU time relative to the model's own attention, by number of rules and of those that fire at a token.

    The case without rules is this project's attention alone.
    """
    width, layers, heads = shape
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, eos_token_id=0, bos_token_id=0, max_position_embeddings=512, **sizes)
    ).eval()
    prompt = torch.randint(3, VOCABULARY, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    cases = [(10, 0.0), (10, 0.2), (10, 1.0), (100, 0.0), (100, 0.2), (100, 1.0)]
    plans = {case: RandomPlan(*case) for case in cases}
    ways = {
        None: nullcontext,
        (0, 0.0): lambda: Attachment(model, WindowBlocks(2**31 - 1)).attached(),
        **{case: lambda plan=plan: steered(model, plan) for case, plan in plans.items()},
    }
    seconds = {way: [] for way in ways}
    # In turn, so that what else runs on the machine slows all alike.
    for _ in range(rounds):
        for way, attached in ways.items():
            with attached():
                start = time.process_time()
                model.generate(prompt, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=True, top_k=0, pad_token_id=0)
                seconds[way].append(time.process_time() - start)
    own = seconds.pop(None)
    return {
        case: statistics.median(each / plain for each, plain in zip(times, own, strict=True))
        for case, times in seconds.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_rules(shape):
    found = ratios(SHAPES[shape])
    for (rules, firing), ratio in found.items():
        print(f"{shape}: {rules} rules, {firing:g} fire at a token: {ratio:.3f}")
    # Rules that do not fire cost little; that some do is measured, and slower machines differ.
    assert found[10, 0.0] < 1.15
    assert found[100, 0.0] < 1.3
    assert found[10, 0.2] < 1.5
