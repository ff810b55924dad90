"""The tuned settings of a run, RUN/tuned.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharding import publish

from ..errors import ConfigError
from ..evaluation import Fusion


@dataclass(frozen=True)
class Tuning:
    """What was chosen on dev.

    Attributes:
        step: Step of the checkpoint that it was chosen for.
        refine: Passes of refinement.
        threshold: Probability from which a pass shows an answer.
        k: Neighbours that vote.
        fusion: Weights of the channels.
    """

    step: int
    refine: int
    threshold: float
    k: int
    fusion: Fusion

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """Read RUN/tuned.json; ConfigError when it is not what `save` wrote."""
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            numbers = {name: tree[name] for name in ("step", "refine", "threshold", "k")}
            fusion = tree["fusion"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not what lmmtc tune writes: {error!r}: run lmmtc tune again") from None
        for name, number in numbers.items():
            if not _is_sound(name, number):
                raise ConfigError(f"{path}: {name} = {number!r}: not what lmmtc tune writes: run lmmtc tune again")
        return cls(**numbers, fusion=Fusion.from_json(fusion, str(path)))

    def save(self, path: Path, figures: Mapping[str, Any]) -> None:
        """Write RUN/tuned.json, complete or not at all, with what it reached on dev."""
        numbers = {name: getattr(self, name) for name in ("step", "refine", "threshold", "k")}
        with publish(path) as temporary:
            tree = numbers | {"fusion": self.fusion.to_json(), "dev": figures}
            temporary.write_text(json.dumps(tree, indent=1), encoding="utf-8")

    @property
    def uses(self) -> tuple[str, ...]:
        """The names of the channels that have any weight."""
        return tuple(each.name for each in self.fusion.used)


def _is_sound(name: str, number: Any) -> bool:
    if name == "threshold":
        return type(number) in {int, float} and 0 <= number <= 1
    return type(number) is int and number >= (name == "k")
