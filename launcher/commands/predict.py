"""`lmmtc predict`: labels by name, on the screen or in a Parquet file."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sharding import Record, Rejections, read_records
from trainer.errors import ConfigError
from trainer.predict import Prediction, predict, write_predictions
from trainer.trained import TrainedModel

from ..progress import followed


def run(path: Path, texts: Sequence[str], source: Path | None, output: Path | None, top: int, batch: int) -> None:
    """Label the texts, or the file."""
    if bool(texts) == bool(source) or bool(source) != bool(output):
        raise ConfigError("lmmtc predict: give --text, or --input together with --output")
    model = TrainedModel.load(path)
    if top > model.config.cloze.shortlist:
        raise ConfigError(f"--top {top}: this run ranks only {model.config.cloze.shortlist} labels (cloze.shortlist)")
    if source and output:
        records = (record for _, record in read_records(source, Rejections("raise"), labelled=False))
        shown = followed(predict(model, records, top, batch), "predicting")
        print(f"{output}: {write_predictions(shown, output):,} records")  # noqa: T201
        return
    for text, prediction in zip(texts, predict(model, map(_record, texts), top, batch), strict=True):
        Console().print(_table(model, text, prediction))


def _record(text: str) -> Record:
    return Record(id="", text=text, labels=())


def _table(model: TrainedModel, text: str, prediction: Prediction) -> Table:
    table = Table(title=text, title_justify="left")
    for heading in ("probability", "label", "meaning"):
        table.add_column(heading)
    for name, score in zip(prediction.labels, prediction.scores, strict=True):
        meaning = model.vocabulary.texts[model.vocabulary.id_of(name)].as_py()
        table.add_row(f"{1 / (1 + math.exp(-score)):.3f}", name, meaning or "")
    return table
