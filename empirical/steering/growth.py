"""A text that grows by one token per pass, chosen from the model's logits, beside a logits processor if wanted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel

from theory.errors import DomainError

# Takes ids `(1, tokens)` and logits `(1, vocabulary)` and returns logits, as a `LogitsProcessor` of transformers does.
Processor = Callable[[Tensor, Tensor], Tensor]


class Sampler:
    """Chooses tokens: the likeliest at temperature 0, else drawn with `seed`, alike on every device.

    A `processor` changes the logits by which tokens are chosen.
    """

    def __init__(self, temperature: float, seed: int, processor: Processor | None = None) -> None:
        self._temperature, self._processor = temperature, processor
        # On the CPU, so that a seed means the same draws everywhere.
        self._generator = torch.Generator().manual_seed(seed)

    def chosen(self, ids: Tensor, logits: Tensor) -> Tensor:
        """The next token `(1, 1)`, on the CPU. Raises DomainError if the processor leaves none to choose."""
        if self._processor is not None:
            logits = self._processed(ids, logits)
        logits = logits.cpu().double()
        if self._temperature == 0:
            return logits.argmax(-1, keepdim=True)
        # Relative to the largest: division by a tiny temperature then overflows to -inf, whose weight is 0.
        below = logits - logits.amax(-1, keepdim=True)
        return torch.multinomial((below / self._temperature).softmax(-1), 1, generator=self._generator)

    def _processed(self, ids: Tensor, logits: Tensor) -> Tensor:
        assert self._processor is not None
        # A copy in float32, as transformers gives it.
        found = self._processor(ids, logits.to(torch.float32, copy=True))
        if not isinstance(found, Tensor) or found.shape != logits.shape:
            shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise DomainError(f"the logits processor returned {shown}: it must return logits {tuple(logits.shape)}")
        if bool(found.isnan().any()) or not bool((found > -torch.inf).any()) or bool((found == torch.inf).any()):
            raise DomainError(f"the logits processor left no token to choose after {ids.shape[1]} tokens")
        return found


class Growth:
    """A text `ids` `(1, tokens)` that grows; `passes` were run, and `nats` is the new tokens' surprise so far."""

    def __init__(self, start: Tensor, sampler: Sampler) -> None:
        self.ids, self._start, self._sampler = start, start.shape[1], sampler
        self.nats, self.passes = 0.0, 0

    @property
    def new(self) -> list[int]:
        """The tokens after the start."""
        return [int(each) for each in self.ids[0, self._start :]]

    @property
    def loss(self) -> float | None:
        """Mean surprise of the new tokens in nats, by the model's own logits at temperature 1; None without tokens."""
        return self.nats / len(self.new) if self.new else None

    @torch.no_grad()
    def grow(self, model: PreTrainedModel, tokens: int, cache: Cache | None = None) -> None:
        """Add so many tokens. `cache` is an empty one, None for the model's own kind."""
        step = self.ids
        for _ in range(tokens):
            self.passes += 1
            output = model(step, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            logits = output.logits[:, -1]
            chosen = self._sampler.chosen(self.ids, logits)
            self.nats -= logits.cpu().double().log_softmax(-1).gather(1, chosen).item()
            step = chosen.to(self.ids.device)
            self.ids = torch.cat((self.ids, step), dim=1)
