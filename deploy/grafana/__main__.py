"""`python -m deploy.grafana`: writes each board to dashboards/, as Grafana reads it; tests compare."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from .checkpoints import checkpoints
from .data import data
from .labels import labels
from .overview import overview
from .reading import FOLDER
from .serving import serving


def dashboards() -> dict[str, str]:
    """Say what each file must hold."""
    training = {"overview": overview(), "data": data(), "labels": labels(), "checkpoints": checkpoints()}
    boards = training | {"serving": serving()}
    return {f"{name}.json": _text(board) for name, board in boards.items()}


def _text(board: Dashboard) -> str:
    """Leave out what the SDK adds for old versions of Grafana, and the schema of new ones refuses."""
    plain = json.loads(JSONEncoder().encode(board))
    for variable in plain["templating"]["list"]:
        for key in ("id", "auto", "auto_min", "auto_count"):
            del variable[key]
    for panel in plain["panels"]:
        panel.get("options", {}).pop("footer", None)
    del plain["style"]
    return json.dumps(plain, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
