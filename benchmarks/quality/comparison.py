"""The comparison on one data set: learning rates are chosen on dev, then every variant is judged on test."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sharding import Dataset
from trainer.evaluation import DEPTHS, KS
from trainer.inference.loading import TrainedModel

from . import unseen
from .flops import step_flops
from .peers.standing import PEERS, standing
from .runs import Run, places
from .tables import answer, band_rows, known_row, markdown, verdict_rows, worth_row
from .variants import CONTROL, Benchmark, Variant

# Of encoder and heads. Each form of the model is tried with each rate, without MLM, for a third of the steps.
RATES = (1e-4, 3e-4, 1e-3)
TUNING_RECORDS = 1000


@dataclass(frozen=True)
class Comparison:
    """What the runs on one data set share.

    steps: of a variant that has no other's cost. lr: of all forms; None: each form's is chosen on dev. prior_weights:
    those of which a variant's best on dev, by nDCG@5, is shown beside it as it was trained.
    """

    benchmark: Benchmark
    dataset: Dataset
    folder: Path
    recipe: Path
    steps: int
    seeds: int
    lr: float | None = None
    prior_weights: tuple[float, ...] = ()

    def tables(self) -> Iterator[str]:
        """Train and judge what has not been yet, one table after the other; all figures in percent."""
        if self.lr is None:
            yield self._tuning()
        yield self._figures()
        if self.benchmark.labels == "seen":
            yield self._bands()
            if Variant(CONTROL) in self.benchmark.variants:
                yield self._unseen(Variant(CONTROL))
        if self.benchmark.asked:
            yield self._given(self.benchmark.asked)

    def steps_of(self, variant: Variant) -> int:
        """Give a variant its steps, or as many as cost what those of another form cost."""
        if variant.cost_of is None:
            return self.steps
        return round(self.steps * self.step_flops(Variant(variant.cost_of, variant.mlm)) / self.step_flops(variant))

    def step_flops(self, variant: Variant) -> float:
        """Count the operations of one step."""
        return step_flops(self.run(variant, self.steps, RATES[0]).config, len(self.dataset.vocabulary))

    def run(self, variant: Variant, steps: int, lr: float, seed: int = 0) -> Run:
        """Name a run, and the folder that is its own."""
        name = re.sub(r"[^a-z0-9.]+", "-", f"{variant.name.lower()} {steps} steps lr {lr} seed {seed}")
        shared = (
            *places(self.folder, name, self.dataset),
            f"run.seed={seed}",
            f"cloze.shortlist={self.benchmark.shortlist}",
            f"cloze.chunk={self.benchmark.shortlist}",  # all slots see each other
            f"train.steps={steps}",
            f"train.lr={lr}",
        )
        return Run(self.recipe, (*shared, *variant.settings), self.benchmark.labels)

    def _tuning(self) -> str:
        rows = [[form, *(f"{100 * self._tried(form, lr):.1f}" for lr in RATES)] for form in self.benchmark.forms]
        return markdown(["micro-F1 on dev with a learning rate of", *map(str, RATES)], rows)

    def _tried(self, form: str, lr: float) -> float:
        run = self.run(Variant(form), self.steps // 3, lr)
        return answer(run.judged("dev", TUNING_RECORDS))["micro-F1"]

    def _figures(self) -> str:
        metrics = self.benchmark.metrics
        rows = [known_row([name, "", ""], percents, metrics) for name, percents in self._others()]
        for variant in self.benchmark.variants:
            rows += self._rows(variant)
        return markdown(["", "steps", "TFLOP", *metrics], rows)

    def _others(self) -> Iterator[tuple[str, Mapping[str, float]]]:
        """Give the figures of other models: of a peer whose Python is named, those of a run beside ours."""
        peers = {peer.name: peer for peer in PEERS}
        for name, known in self.benchmark.known.items():
            if name in peers:
                place = (self.dataset, self.folder, self.benchmark.shortlist)
                yield standing(peers[name], known, *place, seen_only=self.benchmark.labels == "seen")
            else:
                yield name, known

    def _rows(self, variant: Variant) -> Iterator[list[str]]:
        steps, runs = self.steps_of(variant), self._tuned(variant)
        cost = [f"{steps:,}", f"{steps * self.step_flops(variant) / 1e12:,.1f}"]
        yield from verdict_rows([variant.name, *cost], [run.judged("test") for run in runs], self.benchmark.metrics)
        if self.prior_weights:
            weight = max(self.prior_weights, key=partial(_ndcg_on_dev, runs[0]))
            verdicts = [run.judged("test", prior_weight=weight) for run in runs]
            name = f"{variant.name}, prior weight {weight:g}"
            yield from verdict_rows([name, *cost], verdicts, self.benchmark.metrics)

    def _bands(self) -> str:
        """Compare by how many training records a label has; judged by all labels, the unseen ones among them."""
        firsts = [(variant, self._tuned(variant)[0]) for variant in self.benchmark.variants if variant.cost_of is None]
        verdicts = [(variant, replace(run, labels="all").judged("test")) for variant, run in firsts]
        head = [f"{band['name']} ({100 * band['share']:.1f} %)" for band in verdicts[0][1]["by training records"]]
        rows = [row for variant, verdict in verdicts for row in band_rows(variant.name, verdict)]
        return markdown(["recall@5, all labels", *head], rows)

    def _tuned(self, variant: Variant) -> list[Run]:
        """Name a run for each seed, with the learning rate that was given or is best on dev."""
        lr = self.lr or max(RATES, key=lambda lr: self._tried(variant.form, lr))
        return [self.run(variant, self.steps_of(variant), lr, seed) for seed in range(self.seeds)]

    def _unseen(self, variant: Variant) -> str:
        run = self._tuned(variant)[0]
        ranker = TrainedModel.load(run.folder).ranker
        return markdown(
            ["recall among unseen labels, at", *map(str, KS)], unseen.rows(ranker, run.config, self.dataset)
        )

    def _given(self, variant: Variant) -> str:
        rows = [worth_row(seed, worth) for seed, run in enumerate(self._tuned(variant)) for worth in run.worth()[0]]
        head = ["seed", "labels given", "P@1 of the others", *(f"R@{k}" for k in DEPTHS), "micro-F1"]
        return markdown(head, rows)


def _ndcg_on_dev(run: Run, prior_weight: float) -> float:
    return answer(run.judged("dev", prior_weight=prior_weight))["nDCG@5"]
