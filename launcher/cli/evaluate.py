"""`lmmtc evaluate`: a trained run, judged on one split; the threshold of F1 is tuned on the dev split."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from .options import Batch, DatasetOption, PriorWeight, Refine, RunArgument, Untuned, on_accelerator

RESULT = "evaluation.json"


@on_accelerator
def evaluate(
    run: RunArgument,
    dataset: DatasetOption = None,
    split: Annotated[str, typer.Option(help="Records to judge by.")] = "test",
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each split.")] = None,
    labels: Annotated[
        Literal["all", "seen"],
        typer.Option(help="Judge by all labels, or as if there were only those with a training record."),
    ] = "all",
    label_filter: Annotated[
        Path | None,
        typer.Option(
            "--filter",
            help="TSV file (may be .gz): record id, tab, label: pairs that are neither predicted nor true; "
            "default: what the source of the data set named.",
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=5, help="Labels ranked of each record; default: cloze.shortlist.")
    ] = None,
    given: Annotated[
        int,
        typer.Option(
            min=0, max=2, help="Also judge what 1, or 1 and 2, of two drawn labels of a record tell of the rest."
        ),
    ] = 0,
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,
    batch: Batch = 32,
) -> None:
    """Measure a run: P, R, nDCG, PSP at k, recall, F1, the long tail, given labels; writes RUN/evaluation.json."""
    from sharding import publish
    from trainer.inference import evaluate as judge
    from trainer.run.folder import RunFolder

    from ..terminal.outputs import check_output
    from ..terminal.progress import followed
    from .evaluation_report import tables
    from .process_group import process_group

    with process_group() as ranks:
        RunFolder(run).config()
        if ranks.is_first:
            check_output(run / RESULT, f"{run / RESULT}, where the result is written")
        found = judge(
            run,
            split,
            dataset=dataset,
            records=records,
            seen_only=labels == "seen",
            label_filter=label_filter,
            depth=depth,
            given=given,
            refine=refine,
            prior_weight=prior_weight,
            tuned=not untuned,
            batch=batch,
            ranks=ranks,
            follow=partial(followed, shown=ranks.is_first),
        )
    if not ranks.is_first:
        return
    with publish(run / RESULT) as temporary:
        temporary.write_text(json.dumps(found.as_json(), indent=1, allow_nan=False), encoding="utf-8")
    Console().print(*tables(found))
