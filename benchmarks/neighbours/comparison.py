"""A trained model with and without a memory of training records, on all test records and on fresh ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sharding import Dataset
from trainer.evaluation import Answers

from ..quality.fresh import Bools, repeats
from ..quality.judging import ranking_metrics
from ..quality.peers.standing import BONSAI, XR_LINEAR, Peer, standing
from ..quality.texts import read_texts
from ..quality.variants import BENCHMARKS
from . import product
from .figures import Percents, summary, table

TOP = 64  # labels of a peer's ranking


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where its runs are kept."""

    name: str
    dataset: Dataset
    folder: Path
    recipe: Path
    form: str

    def measure(self) -> tuple[str, dict[str, float]]:
        """Train what is missing; returns a table, and the figures that are promised."""
        run = product.run_of(self.dataset, self.folder, self.recipe, self.form)
        cost = product.build_index(run)
        answers = product.answers(run, self.dataset)
        ours = self._percents(answers, None)
        fresh_N = self._fresh_N()
        fresh = {f"{name}, fresh records": row for name, row in self._percents(answers, fresh_N).items()}
        peers = [self._peer(peer) for peer in (XR_LINEAR, BONSAI)]
        (_, xr_linear), (_, bonsai) = peers
        return table({**dict(peers), **ours, **fresh}), summary(ours, bonsai, xr_linear, cost)

    def _percents(self, answers: Mapping[str, Answers], chosen_N: Bools | None) -> dict[str, Percents]:
        """Judge by seen labels: percent by metric, by ranking."""
        found = {name: ranking_metrics(each, self.dataset, chosen_N=chosen_N) for name, each in answers.items()}
        return {name: {metric: 100 * value for metric, value in row.items()} for name, row in found.items()}

    def _fresh_N(self) -> Bools:
        train, test = (read_texts(self.folder, self.dataset, split).texts for split in ("train", "test"))
        return repeats(train, test).fresh_N

    def _peer(self, peer: Peer) -> tuple[str, Percents]:
        return standing(peer, BENCHMARKS[self.name].known[peer.name], self.dataset, self.folder, TOP)
