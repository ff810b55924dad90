"""Training of label-mask multi-label text classifiers on label spaces of any size.

The public door: `from trainer import TrainedModel, evaluate, load_config, predict`. Names are loaded when they are
asked for, so that a program which reads a run's folder alone needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config as Config
    from .config import load_config as load_config
    from .inference import Evaluation as Evaluation
    from .inference import Prediction as Prediction
    from .inference import TrainedModel as TrainedModel
    from .inference import evaluate as evaluate
    from .inference import predict as predict

_ROOMS = {
    "Config": "config",
    "load_config": "config",
    "Evaluation": "inference",
    "Prediction": "inference",
    "TrainedModel": "inference",
    "evaluate": "inference",
    "predict": "inference",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
