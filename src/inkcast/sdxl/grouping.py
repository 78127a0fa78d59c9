"""Attention of pixels that belong to one subject each, taken subject by subject.

Where sigma(M) is one-hot (AnyStory, under eq. 5), a pixel reads one subject's tokens and one subject's reference
columns: all others are multiplied by zero (eq. 5) or masked out (eq. 8). Reading only those gives the same sums, at a
cost that does not grow with the number of subjects. How many pixels each has is known only once the router has spoken,
for which a GPU would have to wait and a compiled graph would break: there, and where gradients are wanted, all subjects
are read and masked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from inkcast.sdxl.attention import AttentionMemory, KeyValue, one_hot_gate

SORTED_ABOVE = 2**16
"""Pixels times channels of a layer: with so little to read, sorting the pixels costs more than reading for nobody."""

Attend = Callable[[int, int, Tensor], Tensor]
"""(row, subject, queries [1, heads, pixels, head_dim]) -> the same shape."""


def one_subject_each(memory: AttentionMemory, x: Float[Tensor, "rows ..."]) -> bool:
    """Whether the gates are one-hot, and taking the subjects one by one is the faster way."""
    routed = memory.router is not None and memory.gate is one_hot_gate
    eager = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return routed and eager and x.device.type == "cpu" and x[0].numel() > SORTED_ABOVE


def by_subject(
    query: Float[Tensor, "rows pixels channels"],
    gates: Float[Tensor, "rows subjects pixels"],
    heads: int,
    attend: Attend,
) -> Float[Tensor, "rows pixels channels"]:
    """What each pixel's own subject gives it; `gates` are one-hot over the subjects."""
    out = torch.empty_like(query)
    winner = gates.argmax(dim=1)
    for row, own in enumerate(winner):
        order = own.argsort(stable=True)
        sizes = own.bincount(minlength=gates.shape[1]).tolist()
        for subject, places in enumerate(order.split(sizes)):
            if len(places):
                part = query[row, places].unflatten(-1, (heads, -1)).transpose(0, 1).unsqueeze(0)
                out[row, places] = attend(row, subject, part)[0].transpose(0, 1).flatten(1)
    return out


def tokens_of(subjects: KeyValue) -> Attend:
    """Softmax(Q K_i^T / sqrt(d)) V_i of eq. 5."""

    def attend(row: int, subject: int, query: Tensor) -> Tensor:
        key, value = subjects.key[row : row + 1, subject], subjects.value[row : row + 1, subject]
        return F.scaled_dot_product_attention(query, key, value)

    return attend


def own_and_reference(own: KeyValue, reference: KeyValue, gamma: float | Tensor) -> Attend:
    """Eq. 6 with eq. 8's mask: the picture's own columns, and the subject's, if it is none of the background."""
    rows, subjects = reference.key.shape[:2]
    biases = torch.as_tensor(gamma).squeeze(-1).expand(rows, subjects).tolist()

    def attend(row: int, subject: int, query: Tensor) -> Tensor:
        key, value = own.key[row : row + 1], own.value[row : row + 1]
        if subject >= subjects or biases[row][subject] == -torch.inf:
            return F.scaled_dot_product_attention(query, key, value)
        columns = reference.key.shape[3]
        key = torch.cat([key, reference.key[row : row + 1, subject]], dim=2)
        value = torch.cat([value, reference.value[row : row + 1, subject]], dim=2)
        if biases[row][subject] == 0:
            return F.scaled_dot_product_attention(query, key, value)
        bias = F.pad(query.new_full((columns,), biases[row][subject]), (key.shape[2] - columns, 0))
        mask = bias.expand(1, 1, query.shape[2], -1)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    return attend
