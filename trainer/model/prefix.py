"""Attention over a prefix: keys and values of earlier tokens, kept once and read by every later pass.

A forward pass of any Hugging Face encoder that uses the attention interface can be given an `AttentionPass`. Layer by
layer it records the keys and values it sees, and, where there is a prefix, lets the queries see that prefix too.

Shapes: B records, H heads, P prefix tokens, C tokens of this pass, Dh head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "lmmtc_prefix"


@dataclass(frozen=True)
class Prefix:
    """Keys and values that later passes attend to.

    Attributes:
        keys: Keys by layer, each [B, H, P, Dh].
        values: Likewise.
        mask_BP: Which of the P tokens are real.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask_BP: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All keys, then all values."""
        return (*self.keys, *self.values)

    def with_tensors(self, tensors: Sequence[Tensor]) -> "Prefix":
        """Put others in the place of `tensors`, in the same order."""
        layers = len(self.keys)
        return Prefix(tuple(tensors[:layers]), tuple(tensors[layers:]), self.mask_BP)


@dataclass
class AttentionPass:
    """One forward pass of the encoder; its layers call `meet` in the order in which they run.

    Attributes:
        mask_BC: Which tokens of the pass are real.
        prefix: What the tokens see beside each other.
        text: How many tokens, the first, are a text before label tokens; None: there is one kind of tokens. Labels see
            all and are seen by all, whatever window a layer has.
        query_slot: Whether the last token sees all, and only itself sees it.
        keys: Recorded so far, by layer.
        values: Likewise.
    """

    mask_BC: Tensor
    prefix: Prefix | None = None
    text: int | None = None
    query_slot: bool = False
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def meet(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Record this layer's keys and values and return them with those of the prefix in front."""
        if self.prefix is not None:
            layer = len(self.keys)
            key = torch.cat([self.prefix.keys[layer], key], dim=2)
            value = torch.cat([self.prefix.values[layer], value], dim=2)
        self.keys.append(key)
        self.values.append(value)
        return key, value

    def visible(self, given: Tensor | None) -> Tensor | None:
        """Name the keys that each query may see: bool [B, 1, 1 or C, P + C]; `given`: the layer's own mask."""
        if self.prefix is None and self.text is None:
            return given
        visible_B1CP = self.visible_B11P()
        if self.text is not None and given is not None:
            visible_B1CP = visible_B1CP.repeat(1, 1, self.mask_BC.shape[1], 1)
            visible_B1CP[..., : self.text, : self.text] = given[..., : self.text, : self.text]
        if self.query_slot:
            column_P = torch.arange(visible_B1CP.shape[-1], device=visible_B1CP.device)
            row_C1 = torch.arange(self.mask_BC.shape[1], device=visible_B1CP.device)[:, None]
            visible_B1CP = visible_B1CP & ((column_P + 1 < len(column_P)) | (row_C1 + 1 == len(row_C1)))
        return visible_B1CP

    def visible_B11P(self) -> Tensor:
        """Name the real keys: those of the prefix and of the pass itself."""
        return self.seen_BP()[:, None, None, :]

    def seen_BP(self) -> Tensor:
        """Join the masks of prefix and pass."""
        return self.mask_BC if self.prefix is None else torch.cat([self.prefix.mask_BP, self.mask_BC], dim=1)

    def as_prefix(self) -> Prefix:
        """Everything this pass saw, for the next pass to look at; a query slot is not looked at."""
        seen_BP = self.seen_BP()
        if self.query_slot:
            seen_BP = torch.cat([seen_BP[:, :-1], torch.zeros_like(seen_BP[:, -1:])], dim=1)
        return Prefix(tuple(self.keys), tuple(self.values), seen_BP)


def kernel(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Compute attention by SDPA: this function is where another kernel, flash or flex, goes for GPUs.

    CPUs compute in fp32 what is given in bf16, under autocast too, and return bf16: the backward of SDPA in bf16 takes
    several times as long there (`benchmarks/attention.py`). The price: fp32 copies of all three, and of what is
    returned, are kept for backward. The price of SDPA: given a mask, never flash.

    Args:
        module: The layer's attention.
        query: [B, H, C, Dh].
        key: [B, H or fewer, P + C, Dh].
        value: Likewise.
        visible: bool [B, 1, 1 or C, P + C], or None for all. It decides alone: windows are in it, whatever
            `sliding_window` in the options says. A padding token may see nothing; its output must be finite.
        options: Options of the attention interface.

    Returns:
        [B, C, H, Dh], and no weights.
    """
    if query.device.type != "cpu" or torch.bfloat16 not in {query.dtype, key.dtype, value.dtype}:
        return sdpa_attention_forward(module, query, key, value, visible, **options)
    query, key, value = query.float(), key.float(), value.float()
    with torch.autocast("cpu", enabled=False):
        attended, _ = sdpa_attention_forward(module, query, key, value, visible, **options)
    return attended.to(torch.bfloat16), None


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    attention_pass: AttentionPass | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend to the prefix too; a pass that has one makes its own mask, as a local window must not hide the text."""
    if attention_pass is not None:
        key, value = attention_pass.meet(key, value)
        attention_mask = attention_pass.visible(attention_mask)
    return kernel(module, query, key, value, attention_mask, **options)


AttentionInterface.register(ATTENTION, _attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
