"""Hidden states, keys and values of texts that were read alone, kept for the next question about the same text."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .prefix import Prefix

Read = Callable[[Tensor, Tensor], tuple[Tensor, Prefix]]


@dataclass(frozen=True)
class _Kept:
    """One text of t tokens: hidden states [t, D], keys and values by layer [H, t, Dh]."""

    hidden_TD: Tensor
    tensors: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        return sum(part.nbytes for part in (self.hidden_TD, *self.tensors))


@dataclass
class KeptTexts:
    """A bounded store of what an encoder has read, the least recently used going first. Of one thread.

    Attributes:
        most_bytes: Size of all that is kept, at most.
        looked_up: Told of each text whether it was there.
    """

    most_bytes: int
    looked_up: Callable[[bool], None] = lambda _found: None
    _kept: OrderedDict[bytes, _Kept] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def read(self, ids_BT: Tensor, mask_BT: Tensor, read: Read) -> tuple[Tensor, Prefix]:
        """Read B texts as `read` does, but for those that are kept; at padding stands 0, which nobody looks at."""
        keys = [row[mask].cpu().numpy().tobytes() for row, mask in zip(ids_BT, mask_BT, strict=True)]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = {key: place for place, key in enumerate(keys) if key not in found}
        for key in keys:
            self.looked_up(key in found)
        if missing:
            chosen = torch.tensor(list(missing.values()), device=ids_BT.device)
            width = int(mask_BT[chosen].sum(dim=1).max())
            hidden_MTD, prefix = read(ids_BT[chosen, :width], mask_BT[chosen, :width])
            counts = mask_BT[chosen].sum(dim=1).tolist()
            for place, (key, count) in enumerate(zip(missing, counts, strict=True)):
                # Copies, or the whole batch would be kept for one of its texts.
                tensors = tuple(part[place, :, :count].clone() for part in prefix.tensors)
                found[key] = _Kept(hidden_MTD[place, :count].clone(), tensors)
        self._remember(found)
        return _joined([found[key] for key in keys], mask_BT)

    def _remember(self, found: dict[bytes, _Kept]) -> None:
        for key, kept in found.items():
            if key not in self._kept:
                self._bytes += kept.bytes
            self._kept[key] = kept
            self._kept.move_to_end(key)
        while self._bytes > self.most_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].bytes


def _joined(texts: list[_Kept], mask_BT: Tensor) -> tuple[Tensor, Prefix]:
    """Put texts side by side, padded to the width of the batch."""
    width = mask_BT.shape[1]

    def pad(part: Tensor) -> Tensor:
        return torch.nn.functional.pad(part, (0, 0, 0, width - part.shape[-2]))

    hidden_BTD = torch.stack([pad(text.hidden_TD) for text in texts])
    tensors = [
        torch.stack([pad(part) for part in parts]) for parts in zip(*(text.tensors for text in texts), strict=True)
    ]
    layers = len(tensors) // 2
    return hidden_BTD, Prefix(tuple(tensors[:layers]), tuple(tensors[layers:]), mask_BT)
