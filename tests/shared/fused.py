"""GPT-2's `c_attn` weights `(width, 3 width)` by groups: queries' outputs by heads, then keys', then values'."""

import torch

from empirical.training import proximal


def group_view(weight, heads, blocks):
    """`W_Q` and `W_K` as `(blocks, rows, 2, heads, head)`; a view."""
    width = weight.shape[0]
    # Refuses blocks that do not divide the width.
    proximal.group_view(weight[:, :width].unflatten(1, (heads, -1)), blocks)
    return weight[:, : 2 * width].view(blocks, width // blocks, 2, heads, width // heads)


def group_norms(weight, heads, blocks):
    """Norm of every group, `(blocks, 2, heads)`."""
    return torch.stack([proximal.group_norms(each, blocks) for each in _matrices(weight, heads)], 1)


def shrink_groups(weight, heads, blocks, amount):
    """The proximal map, in place."""
    for each in _matrices(weight, heads):
        proximal.shrink_groups(each, blocks, amount)


def _matrices(weight, heads):
    return group_view(weight, heads, 1)[0].unbind(1)
