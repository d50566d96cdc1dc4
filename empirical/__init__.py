"""Localist GPT-2: blocks, dial, training and measurement beside the bounds of `theory`."""
