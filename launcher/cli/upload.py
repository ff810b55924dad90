"""`lmmtc upload`: a data set goes to where many machines can read it."""

from pathlib import Path

from sharding.remote import upload

from ..terminal.progress import rounds


def run(dataset: Path, url: str) -> None:
    """Copy, and say under which address it is now."""
    with rounds() as show:
        manifest = upload(dataset, url, show)
    print(f"{url}: {manifest.dataset_id}")  # noqa: T201
