"""What `lmmtc tune` chose on dev about how a run answers: the contents of RUN/tuned.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from sharding import publish

from ..config import Section
from ..config.loading import validated
from ..config.neighbours import Key
from ..config.section import Positive, Rate, Share
from ..errors import ConfigError
from ..evaluation import Fusion
from ..neighbours import VoteRule

Whole = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Tuning:
    """What was chosen on dev.

    Attributes:
        step: Step of the checkpoint that it was chosen for.
        refine: Passes of refinement.
        threshold: Probability from which a pass shows an answer.
        votes: How neighbours vote, by kind of key; as the index says where a kind is left out.
        fusion: Weights of the channels.
    """

    step: int
    refine: int
    threshold: float
    votes: Mapping[Key, VoteRule]
    fusion: Fusion

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """Read RUN/tuned.json; ConfigError when it is not what `save` wrote."""
        again = f"{path}: run lmmtc tune again"
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path}: not what lmmtc tune writes: {error}: run lmmtc tune again") from None
        found = validated(_Tuned, tree, again)
        votes: dict[Key, VoteRule] = {kind: VoteRule(rule.k, rule.power) for kind, rule in found.votes.items()}
        return cls(found.step, found.refine, found.threshold, votes, Fusion.from_json(found.fusion, again))

    def save(self, path: Path, figures: Mapping[str, Any]) -> None:
        """Write RUN/tuned.json, complete or not at all, with what it reached on dev."""
        with publish(path) as temporary:
            tree = {
                "step": self.step,
                "refine": self.refine,
                "threshold": self.threshold,
                "votes": {kind: asdict(rule) for kind, rule in self.votes.items()},
                "fusion": self.fusion.to_json(),
                "dev": figures,
            }
            temporary.write_text(json.dumps(tree, indent=1), encoding="utf-8")

    @property
    def uses(self) -> tuple[str, ...]:
        """The names of the channels that have any weight."""
        return tuple(each.name for each in self.fusion.used)


class _Rule(Section):
    model_config = ConfigDict(strict=True)

    k: Positive
    power: Rate


class _Tuned(Section):
    """The file's keys; what `fusion` may be, Fusion knows."""

    model_config = ConfigDict(strict=True)

    step: Whole
    refine: Whole
    threshold: Share
    votes: dict[Key, _Rule]
    fusion: Any
    dev: Any
