"""Tokens whose presence says which label a block has, and what a model's embeddings of them promise."""
