"""Takes new checkpoints of the run while the server answers with the one before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

from trainer.checkpoint import checkpoints_of

from ..terminal.stderr import complain
from .metrics import ServingMetrics
from .served import Current, How, ServedModel


class Follower:
    """Looks every few seconds for a newer checkpoint, loads it beside the other, and puts it in its place.

    Whatever goes wrong then, a folder that has vanished or a checkpoint that is damaged, is said once, and the model
    that is there goes on.
    """

    def __init__(
        self, current: Current, how: How, metrics: ServingMetrics, seconds: float, say: Callable[[str], None] = complain
    ) -> None:
        self._current, self._how, self._metrics, self._seconds, self._say = current, how, metrics, seconds, say
        self._refused: int | None = None
        self._last_said = ""
        self._ends = Event()
        self._thread = Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a checkpoint that is being loaded is left to its end."""
        self._ends.set()

    def look(self) -> bool:
        """Take the newest checkpoint if it is another; tells whether it was taken."""
        model = self._current.model
        try:
            newest = self._newest(model.run.path)
            if newest is None or newest in (model.model.step, self._refused):
                return False
            loaded = ServedModel.load(model.run.path, self._how)
        except Exception as error:  # noqa: BLE001 - the server must live
            self._failed(error)
            return False
        if loaded.model.step == model.model.step:  # the newest is damaged
            self._refused = newest
            return False
        loaded = replace(loaded, run=model.run)
        self._current.model, self._last_said = loaded, ""
        self._metrics.gauge("serve_step").set(loaded.model.step)
        self._metrics.counter("serve_reloads_total").inc()
        self._say(f"{model.run.path}: answers with step {loaded.model.step} now, before with {model.model.step}")
        return True

    def _failed(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        if message != self._last_said:
            self._metrics.counter("serve_reload_failures_total").inc()
            self._say(f"{message}; step {self._current.model.model.step} goes on answering")
        self._last_said = message

    def _newest(self, run: Path) -> int | None:
        return max(checkpoints_of(self._current.model.run).place.steps(), default=None) if run.is_dir() else None

    def _run(self) -> None:
        while not self._ends.wait(self._seconds):
            self.look()
