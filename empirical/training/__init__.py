"""Trains a localist GPT-2: texts, blocks that follow the text, the objective, and resumable runs."""
