"""Arguments and options that several commands take, each written once, and what a command with torch does first."""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperCommand

P = ParamSpec("P")

RunArgument = Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")]
DatasetArgument = Annotated[Path, typer.Argument(help="Folder that `lmmtc data shard` has written.")]
DatasetOption = Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")]
Batch = Annotated[int, typer.Option(min=1, help="Records at a time.")]
Refine = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Passes after the first: the model is shown its surest labels and ranks the others again; default: as "
        "`lmmtc tune` has chosen.",
    ),
]
Untuned = Annotated[bool, typer.Option("--untuned", help="Answer without what `lmmtc tune` has chosen.")]
PriorWeight = Annotated[
    float,
    typer.Option(
        help="How many times a label's bias counts, which began at the log-odds of its frequency: above 1 frequent "
        "labels come forward, below 1 rare ones."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def one_or_several(names: Sequence[str] | None, default: str) -> str | tuple[str, ...]:
    """Give the one name that was given, or all of several."""
    return tuple(names) if names and len(names) > 1 else (names or [default])[0]


def listed(words: Sequence[str] | None) -> tuple[str, ...]:
    """Give names that stand in several options, or with commas between in one."""
    return tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())


class EachOnce(TyperCommand):
    """A command that refuses an option which is given twice, where it would take only the last."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look at the words before the parser does."""
        own = args[: args.index("--")] if "--" in args else args
        names = [word.partition("=")[0] for word in own if word.startswith("--")]
        single = {name for option in self.params if not getattr(option, "multiple", True) for name in option.opts}
        if twice := next((name for name in names if name in single and names.count(name) > 1), None):
            raise typer.BadParameter(f"{twice} is given {names.count(twice)} times: give it once", ctx=ctx)
        return super().parse_args(ctx, args)


def on_accelerator(command: Callable[P, None]) -> Callable[P, None]:
    """Settle which accelerator DeepSpeed uses before the command imports it, which transformers does too."""

    @wraps(command)
    def prepared(*args: P.args, **kwargs: P.kwargs) -> None:
        from ..cluster import choose_accelerator

        choose_accelerator(os.environ)
        command(*args, **kwargs)

    return prepared
