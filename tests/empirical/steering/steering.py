"""Shared by the tests of steering: a plan by token, rows from their definition, and what a log must show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import linprog

from empirical.steering.firings import Firings, SteeringRule
from empirical.steering.strengths import Status

# Below a promise by more than this, it is not kept.
NEAR = 1e-8


class TokenPlan:
    """Rule `i` fires at tokens in `conditions[i]` and has the tokens in `targets[i]` as its target."""

    def __init__(self, rules, conditions, targets):
        self.rules, self.conditions, self.targets = rules, conditions, targets

    def firings(self, text):
        def among(tokens):
            return torch.isin(text.tokens, torch.tensor(sorted(tokens)))

        fires = torch.stack([among(each) for each in self.conditions])[..., -text.queries :]
        return Firings(self.rules, fires, torch.stack([among(each) for each in self.targets]))


def dense_scores(call):
    """Scores of every row with the dial's bias, -inf at invisible keys, sinks in a last column; from the definition."""
    shared = call.query.shape[1] // call.key.shape[1]
    key = call.key.double().repeat_interleave(shared, dim=1)
    scores = call.query.double() @ key.transpose(-1, -2) * call.scale
    if call.softcap is not None:
        scores = call.softcap * torch.tanh(scores / call.softcap)
    same = (call.own[..., None] == call.ids[:, None])[:, None]
    biases = call.biases[:, None, None]
    hard = biases == torch.inf
    scores = (scores + torch.where(same & ~hard, biases, 0.0)).masked_fill(hard & ~same, -torch.inf)
    visible = call.visible
    if visible is None:
        visible = torch.ones(1, *scores.shape[-2:], dtype=torch.bool).tril()
    scores = scores.masked_fill(~visible[:, None], -torch.inf)
    sinks = torch.full((scores.shape[1],), -torch.inf) if call.sinks is None else call.sinks.double()
    sinks = sinks[:, None, None].masked_fill(hard, -torch.inf).expand(*scores.shape[:3], 1)
    return torch.cat((scores, sinks.double()), -1)


def slack(masses, members, promises):
    """The most by which a row on the visible atoms can exceed every promise at once: E2, by linear programming."""
    held = np.asarray(members, dtype=float)[:, np.isfinite(masses)]
    rules, atoms = held.shape
    bound = np.hstack((-held, np.ones((rules, 1))))
    total = [[*np.ones(atoms), 0.0]]
    found = linprog([*np.zeros(atoms), -1.0], bound, -np.asarray(promises), total, [1.0], [*[(0, 1)] * atoms, (-2, 2)])
    return -found.fun


def check_rows(call, firings, output, rows, near=NEAR):
    """Number of firings; asserts that numbers, outputs, promises and slackness are those of the definition."""
    scores, keys = dense_scores(call), call.key.shape[2]
    value = call.value.double().repeat_interleave(call.query.shape[1] // call.key.shape[1], dim=1)
    columns = (rows.text, rows.head, rows.query, rows.rule, rows.before, rows.after, rows.strength, rows.status)
    found = {}
    for text, head, query, rule, *numbers in zip(*(each.tolist() for each in columns), strict=True):
        found.setdefault((text, head, query), {})[rule] = numbers
    for text, head, query in np.ndindex(*scores.shape[:3]):
        real = call.real is None or bool(call.real.expand(len(scores), -1)[text, query])
        expected = {
            rule
            for rule, what in enumerate(firings.rules)
            if real
            and firings.fires[rule, text, query]
            and (what.layers is None or call.layer in what.layers)
            and (what.heads is None or head in what.heads)
        }
        here = found.get((text, head, query), {})
        assert set(here) == expected
        if not here:
            if real:
                assert torch.equal(output[text, head, query], call.output[text, head, query])
            continue
        row = scores[text, head, query]
        targets = torch.cat((firings.targets[:, text, -keys:], torch.zeros(len(firings.rules), 1, dtype=torch.bool)), 1)
        tilted = row + sum(numbers[2] * targets[rule].double() for rule, numbers in here.items())
        plain, weights = row.softmax(-1), tilted.softmax(-1)
        assert torch.allclose(output[text, head, query].double(), weights[:keys] @ value[text, head], atol=near * 100)
        for rule, (before, after, strength, status) in here.items():
            assert abs(before - float(plain[targets[rule]].sum())) < near
            assert abs(after - float(weights[targets[rule]].sum())) < near
            promise = firings.rules[rule].promise
            if promise is None:
                assert strength == firings.rules[rule].strength
            elif status == Status.MET:
                assert after >= promise - near
                assert min(strength, abs(after - promise)) < near
            elif status == Status.NO_KEY:
                assert before == after == strength == 0
            else:
                assert status == Status.IMPOSSIBLE
                assert strength == 0
                live = [each for each, (*_, state) in here.items() if state == Status.IMPOSSIBLE]
                wanted = [firings.rules[each].promise for each in live]
                assert slack(row.numpy(), targets[live].numpy(), wanted) < 1e-9
    return len(rows.rule)


RULES = [
    SteeringRule("first", promise=0.6),
    SteeringRule("second", promise=0.7, heads=frozenset({0, 2})),
    SteeringRule("third", strength=1.5),
    SteeringRule("fourth", promise=0.4, layers=frozenset({1})),
]
# Met by every row in which each target has a key, because they sum to less than 1.
POSSIBLE = [replace(rule, promise=rule.promise and rule.promise / 1.8) for rule in RULES]
