"""The index of published checkpoints in a bucket: its object `latest`, replaced by compare and swap.

So no checkpoint is visible in part, and of two runs that save at one address the second to publish is told.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sharding.remote import Bucket

from ..errors import CheckpointError

LATEST = "latest"
FORMAT = "lmmtc-latest/1"


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes:
        step: Optimizer steps done.
        folder: Name of its folder.
        meta_xxh3_128: Checksum of its description.
        at: Time of its save, ISO 8601, UTC.
    """

    step: int
    folder: str
    meta_xxh3_128: str
    at: str


@dataclass(frozen=True)
class LatestIndex:
    """What was published, in one version of the object.

    Attributes:
        checkpoints: Those that count, oldest first.
        version: Version of the object; None: there is none.
    """

    checkpoints: tuple[Published, ...] = ()
    version: str | None = None

    @classmethod
    def read(cls, bucket: Bucket) -> "LatestIndex":
        """Ask the bucket, which may raise DataError; CheckpointError when the object is torn or of another format."""
        found = bucket.get(LATEST)
        if found is None:
            bucket.sizes()  # of a bucket that is not there a list is refused, but an object is only missing
            return cls()
        where = f"{bucket.url}/{LATEST}"
        try:
            tree = json.loads(found[0])
            if (written := tree.get("format")) != FORMAT:
                raise CheckpointError(f"{where}: format {written!r}, this version reads {FORMAT!r}")
            return cls(tuple(Published(**each) for each in tree["checkpoints"]), found[1])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{where}: cannot be read: {error!r}") from None

    def replaced(self, bucket: Bucket, checkpoints: Sequence[Published]) -> "LatestIndex":
        """Publish these instead; CheckpointError, and nothing is written, when another run was faster."""
        tree = {"format": FORMAT, "checkpoints": [asdict(each) for each in checkpoints]}
        version = bucket.swap(LATEST, json.dumps(tree, indent=1).encode(), self.version)
        if version is None:
            raise taken(bucket)
        return LatestIndex(tuple(checkpoints), version)

    def at(self, step: int) -> Published | None:
        """Find the checkpoint of a step."""
        return next((each for each in self.checkpoints if each.step == step), None)


def taken(bucket: Bucket) -> CheckpointError:
    """Make the error for a bucket in which another run saves."""
    return CheckpointError(
        f"{bucket.url}/{LATEST}: another run has published a checkpoint here since this run last looked: give each run "
        "a checkpoint.store of its own"
    )
