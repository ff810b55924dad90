"""`lmmtc predict`: labels by name, on the screen or in a file."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..terminal.plain import plain
from ..terminal.progress import followed
from .options import Batch, PriorWeight, Refine, RunArgument, Untuned, listed, on_accelerator, one_or_several

if TYPE_CHECKING:
    from sharding import LabelFilter, Record, SourceSettings
    from trainer.distributed import Ranks
    from trainer.inference.loading import TrainedModel
    from trainer.inference.predict import Prediction


@on_accelerator
def predict(
    run: RunArgument,
    text: Annotated[list[str] | None, typer.Option(help="A text to label; may be repeated.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            help="A label known beforehand, 'LABEL=yes' or 'LABEL=no': helps to find the others of every --text; "
            "may be repeated."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Whatever `lmmtc data shard` reads; in JSON lines each record may have its own "
            '"given": {"LABEL": true, "OTHER": false}.',
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="What --input is, where its files do not tell.")] = None,
    id_field: Annotated[str, typer.Option(help="Its field or column of a record's name.")] = "id",
    text_field: Annotated[
        list[str] | None,
        typer.Option(help="Its field or column of the text; repeated: texts behind each other; default: text."),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(help="Names of its columns, where it is a table without a header.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of its text files.")] = "utf-8",
    output: Annotated[
        Path | None, typer.Option(help="File for the labels of --input: .parquet, .csv or .jsonl.")
    ] = None,
    label_filter: Annotated[
        Path | None,
        typer.Option(
            "--filter", help="TSV file (may be .gz): record id of --input, tab, label: pairs that are not predicted."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Labels for each text.")] = 5,
    drop_surplus: Annotated[
        bool, typer.Option("--drop-surplus", help="Of more given labels than the run reads, use the first.")
    ] = False,
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,
    batch: Batch = 32,
) -> None:
    """Name the most likely labels of texts typed by hand (--text) or of a file (--input, --output)."""
    from sharding import Record, SourceSettings
    from trainer.errors import ConfigError
    from trainer.inference import answering
    from trainer.inference.loading import TrainedModel
    from trainer.inference.predict import predict as predict_records
    from trainer.run.folder import RunFolder

    from ..cluster import placement
    from ..terminal.outputs import check_output
    from .process_group import process_group

    _check_words(text, given, source, output, label_filter)
    known = _known(given or [])
    settings = SourceSettings(
        kind=kind,
        id_field=id_field,
        text_field=one_or_several(text_field, "text"),
        columns=listed(columns),
        encoding=encoding,
    )
    if output and placement(os.environ).rank == 0:  # the others write nothing, and perhaps could not
        _make_folder_of(output)
        check_output(output, f"--output {output}")
    with process_group() as ranks:
        model = TrainedModel.load(run, depth=top, ranks=ranks).weighing_prior(prior_weight)
        if top > len(model.vocabulary):
            raise ConfigError(f"--top {top}: this run has only {len(model.vocabulary)} labels")
        if drop_surplus:
            model = replace(model, ranker=replace(model.ranker, drops_surplus=True))
        if source and output:
            if label_filter:
                model = model.excluding(_read_filter(label_filter, model, source, settings))
            ranker = answering(model, RunFolder(run), refine=refine, tuned=not untuned)
            found = predict_records(model, _records_of(source, model, settings), top, batch, ranker)
            _label_file(followed(found, "predicting", shown=ranks.is_first), output, ranks)
        else:
            ranker = answering(model, RunFolder(run), refine=refine, tuned=not untuned)
            records = (Record(id="", text=each, labels=(), given=known) for each in text or [])
            predictions = predict_records(model, records, top, batch, ranker)
            for each, prediction in zip(text or [], predictions, strict=ranks.is_first):
                Console().print(_table(model, each, prediction))


def _check_words(
    text: Sequence[str] | None,
    given: Sequence[str] | None,
    source: Path | None,
    output: Path | None,
    label_filter: Path | None,
) -> None:
    """Refuse options that do not go together."""
    from trainer.errors import ConfigError
    from trainer.inference.predict import check_format

    if bool(text) == bool(source) or bool(source) != bool(output):
        raise ConfigError("lmmtc predict: give --text, or --input together with --output")
    if given and source:
        raise ConfigError("lmmtc predict: --given goes with --text; in a file, each record has its own 'given'")
    if label_filter and text:
        raise ConfigError("lmmtc predict: --filter goes with --input: it names records by their id")
    if output:
        check_format(output)


def _label_file(predictions: Iterable["Prediction"], output: Path, ranks: "Ranks") -> None:
    """Let the first rank write; the others, whose predictions come to it, only take part."""
    from trainer.inference.predict import write_predictions

    if ranks.is_first:
        typer.echo(f"{output}: {write_predictions(predictions, output):,} records")
    else:
        deque(predictions, maxlen=0)


def _make_folder_of(output: Path) -> None:
    from trainer.errors import ConfigError

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"--output {output}: {error.strerror}: must be a file, in a folder that can be written"
        ) from None


def _known(words: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Split each at its last equals sign, for a label may hold others; refuse a label with two answers."""
    from trainer.errors import ConfigError

    answers: dict[str, bool] = {}
    known = [(word, *word.rpartition("=")) for word in words]
    for word, _, equals, answer in known:
        if not equals or answer not in {"yes", "no"}:
            raise ConfigError(f"--given {word!r}: must be a label, an equals sign, and yes or no")
    for _, label, _, answer in known:
        if answers.setdefault(label, answer == "yes") != (answer == "yes"):
            raise ConfigError(f"--given {label!r}: is given as yes and as no: give it once")
    return tuple((label, answer == "yes") for _, label, _, answer in known)


def _records_of(source: Path, model: "TrainedModel", settings: "SourceSettings") -> Iterator["Record"]:
    """Read the file, and say where a label is given that is unknown, or more than the model can read.

    Each rank reads all of it: all refuse a record together, whichever of them would rank it.
    """
    from sharding import UnknownLabelError, read_records
    from trainer.errors import ConfigError
    from trainer.evaluation.ranker import NO_CONTEXT

    for where, record in read_records(source, settings, labelled=False):
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


def _read_filter(path: Path, model: "TrainedModel", source: Path, settings: "SourceSettings") -> "LabelFilter":
    """Read it, and refuse a record id that is none of the file's: a misspelt one would filter nothing."""
    from sharding import LabelFilter, read_records

    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check((record.id for _, record in read_records(source, settings, labelled=False)), source)
    return label_filter


def _table(model: "TrainedModel", text: str, prediction: "Prediction") -> Table:
    table = Table(title=plain(text), title_justify="left")
    for heading in ("probability", "label", "meaning"):
        table.add_column(heading)
    for name, probability in zip(prediction.labels, prediction.probabilities, strict=True):
        meaning = model.vocabulary.texts[model.vocabulary.id_of(name)].as_py()
        table.add_row(f"{probability:.3f}", plain(name), plain(meaning or ""))
    return table
