"""`lmmtc predict`: labels by name, on the screen or in a Parquet file."""

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sharding import LabelFilter, Record, UnknownLabelError, read_records
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.evaluation.ranker import NO_CONTEXT
from trainer.inference import answering
from trainer.predict import Prediction, predict, write_predictions
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..cluster import placement
from ..terminal.outputs import check_output
from ..terminal.plain import plain
from ..terminal.progress import followed
from .process_group import met


def run(
    path: Path,
    texts: Sequence[str],
    source: Path | None,
    output: Path | None,
    *,
    given: Sequence[str],
    label_filter: Path | None = None,
    top: int,
    refine: int | None,
    batch: int,
    prior_weight: float = 1,
    tuned: bool = True,
    drop_surplus: bool = False,
) -> None:
    """Label the texts, or the file."""
    if bool(texts) == bool(source) or bool(source) != bool(output):
        raise ConfigError("lmmtc predict: give --text, or --input together with --output")
    if given and source:
        raise ConfigError("lmmtc predict: --given goes with --text; in a file, each record has its own 'given'")
    if label_filter and texts:
        raise ConfigError("lmmtc predict: --filter goes with --input: it names records by their id")
    known = tuple(map(_known, given))
    _check_once(known)
    if output and placement(os.environ).rank == 0:  # the others write nothing, and perhaps could not
        _make_folder_of(output)
        check_output(output, f"--output {output}")
    with met() as ranks:
        model = TrainedModel.load(path, depth=top, ranks=ranks).weighing_prior(prior_weight)
        if top > len(model.vocabulary):
            raise ConfigError(f"--top {top}: this run has only {len(model.vocabulary)} labels")
        if drop_surplus:
            model = replace(model, ranker=replace(model.ranker, drops_surplus=True))
        if source and output:
            if label_filter:
                model = model.barring(_read_filter(label_filter, model, source))
            ranker = answering(model, RunFolder(path), refine=refine, tuned=tuned)
            found = predict(model, _records_of(source, model), top, batch, ranker)
            _label_file(followed(found, "predicting", shown=ranks.is_first), output, ranks)
        else:
            ranker = answering(model, RunFolder(path), refine=refine, tuned=tuned)
            records = (Record(id="", text=text, labels=(), given=known) for text in texts)
            for text, prediction in zip(texts, predict(model, records, top, batch, ranker), strict=ranks.is_first):
                Console().print(_table(model, text, prediction))


def _label_file(predictions: Iterable[Prediction], output: Path, ranks: Ranks) -> None:
    """Let the first rank write; the others, whose predictions come to it, only take part."""
    if ranks.is_first:
        print(f"{output}: {write_predictions(predictions, output):,} records")  # noqa: T201
    else:
        deque(predictions, maxlen=0)


def _make_folder_of(output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"--output {output}: {error.strerror}: must be a file, in a folder that can be written"
        ) from None


def _known(word: str) -> tuple[str, bool]:
    """Split at the last equals sign: a label may hold others."""
    label, equals, answer = word.rpartition("=")
    if not equals or answer not in {"yes", "no"}:
        raise ConfigError(f"--given {word!r}: must be a label, an equals sign, and yes or no")
    return label, answer == "yes"


def _check_once(known: Sequence[tuple[str, bool]]) -> None:
    """Refuse a label that is given twice with different answers."""
    answers: dict[str, bool] = {}
    for label, answer in known:
        if answers.setdefault(label, answer) != answer:
            raise ConfigError(f"--given {label!r}: is given as yes and as no: give it once")


def _records_of(source: Path, model: TrainedModel) -> Iterator[Record]:
    """Read the file, and say where a label is given that is unknown, or more than the model can read.

    Each rank reads all of it: all refuse a record together, whichever of them would rank it.
    """
    for where, record in read_records(source, labelled=False):
        if record.given and not model.ranker.reads_labels:
            raise ConfigError(f"{where}: 'given': {NO_CONTEXT}, no label can be given")
        try:
            model.ranker.check_given(len(record.given))
            for label, _ in record.given:
                model.vocabulary.id_of(label)
        except UnknownLabelError as error:
            raise UnknownLabelError(f"{where}: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{where}: 'given': {error}") from None
        yield record


def _read_filter(path: Path, model: TrainedModel, source: Path) -> LabelFilter:
    """Read it, and refuse a record id that is none of the file's: a misspelt one would filter nothing."""
    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check((record.id for _, record in read_records(source, labelled=False)), source)
    return label_filter


def _table(model: TrainedModel, text: str, prediction: Prediction) -> Table:
    table = Table(title=plain(text), title_justify="left")
    for heading in ("probability", "label", "meaning"):
        table.add_column(heading)
    for name, score in zip(prediction.labels, prediction.scores, strict=True):
        meaning = model.vocabulary.texts[model.vocabulary.id_of(name)].as_py()
        table.add_row(f"{1 / (1 + math.exp(-score)):.3f}", plain(name), plain(meaning or ""))
    return table
