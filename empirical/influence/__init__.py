"""How far the keys off the block can move a model's next-token distribution through its last layer (H2, H3)."""
