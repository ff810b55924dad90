"""`python -m deploy.grafana`: writes each board to dashboards/, as Grafana reads it; tests compare."""

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from .checkpoints import checkpoints
from .data import data
from .labels import labels
from .overview import overview
from .reading import FOLDER


def dashboards() -> dict[str, str]:
    """Say what each file must hold."""
    boards = {"overview": overview(), "data": data(), "labels": labels(), "checkpoints": checkpoints()}
    return {f"{name}.json": JSONEncoder(indent=1).encode(board) + "\n" for name, board in boards.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
