"""The pool of open shards of a split: memory maps of bounded number, and early release of remote shards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheFullError
from ..formats import Shard, ShardIndex
from ..layout.backends import HeldFile, StorageBackend
from ..layout.manifest import FileInfo, Kind, ShardInfo
from ..layout.shards import open_index, open_shard

# Of 65,530 that a process may have where nobody has asked for more: a tar and its sidecar are two.
_MOST_MAPPED = 8192


@dataclass
class _Open:
    shard: Shard
    held: list[HeldFile]
    used: int


@dataclass
class ShardPool:
    """The shards of one split by number, mapped when they are first asked for."""

    shards: Sequence[ShardInfo]
    kind: Kind
    place: StorageBackend
    _open: dict[int, _Open] = field(default_factory=dict)
    _indexes: dict[int, ShardIndex] = field(default_factory=dict)
    _now: int = 0

    def shard(self, number: int) -> Shard:
        """Return a shard, mapped if it is not yet; CorruptShardError when it is not what the manifest says."""
        if number not in self._open:
            if len(self._open) >= _MOST_MAPPED:
                self.let_go(next(iter(self._open)))
            held: list[HeldFile] = []
            shard = open_shard(lambda info: self._hold(info, held), self.shards[number], self.kind)
            self._open[number] = _Open(shard, held, self._now)
        self._open[number].used = self._now
        return self._open[number].shard

    def index(self, number: int) -> ShardIndex:
        """Return a sidecar index, which stays mapped, whatever becomes of its file."""
        if number not in self._indexes:
            if len(self._indexes) >= _MOST_MAPPED:
                self._indexes.pop(next(iter(self._indexes)))
            held: list[HeldFile] = []
            self._indexes[number] = open_index(lambda info: self._hold(info, held), self.shards[number])
            _release(held)
        return self._indexes[number]

    def name(self, number: int) -> str:
        """Name a shard in full, for messages."""
        return self.place.name(self.shards[number].files[self.kind])

    def expect(self, numbers: Sequence[int]) -> None:
        """Prefetch shards that will be read soon."""
        for number in numbers:
            if number not in self._open:
                self.place.expect(self.shards[number].files[self.kind])

    def let_go(self, number: int) -> None:
        """Close a shard, if it is open; rows that were taken from it stay valid."""
        if number in self._open:
            _release(self._open.pop(number).held)

    def advance(self, now: int, keep: int) -> None:
        """Move to a position, and close the remote shards that were not read within the last `keep` positions.

        Moving back to an earlier position closes all of them.
        """
        self._now = now
        if self.place.fetches:
            for number in [n for n, each in self._open.items() if not now - keep <= each.used <= now]:
                self.let_go(number)

    def _hold(self, info: FileInfo, held: list[HeldFile]) -> Path:
        while True:
            try:
                held.append(self.place.hold(info))
                return held[-1].path
            except CacheFullError:
                passed = [number for number, each in self._open.items() if each.used != self._now]
                if not passed:
                    raise
                self.let_go(min(passed, key=lambda number: self._open[number].used))


def _release(held: Sequence[HeldFile]) -> None:
    for each in held:
        each.release()
