"""One rank, from its start to its exit code: rank and world size, metrics, process group, training."""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psutil

from sharding import LmmtcError
from trainer.config import Config, load_config
from trainer.run.folder import RunFolder
from trainer.run.lock import Holder, held
from trainer.telemetry import EventLog, RunHistory, Telemetry, watch_host_memory

from .cluster import Placement, choose_accelerator, placement
from .exit_codes import ExitCode, named_rank, report
from .supervise.signals import StopRequest
from .supervise.watchdog import Watchdog
from .terminal.stderr import complain

if TYPE_CHECKING:
    from trainer.distributed import Ranks

MESSAGE_CHARACTERS = 2000  # of an error, in the event log: one write of a line, whoever else writes


def train(config_path: Path, overrides: Sequence[str]) -> ExitCode:
    """Train as the rank that the environment names.

    Where nothing moves any more, or `lmmtc train` is gone, the process ends with 75 before this returns. After an error
    among several ranks it ends here, too, once that is said: others may wait for this one, and Python's own end would
    wait for them.

    Args:
        config_path: TOML file of the run.
        overrides: Its settings that are overridden, SECTION.KEY=VALUE.

    Returns:
        0 when done, 75 when asked to stop, its state saved.
    """
    place = placement(os.environ)
    os.environ.update(place.variables())
    config = load_config(config_path, overrides)
    stop = StopRequest().listen()
    telemetry = _open_telemetry(config, place)
    stacks = RunFolder(config.run.folder).stacks(place.rank)
    try:
        with Watchdog(config.run.stall_seconds, stacks, os.environ) as watchdog:
            return _run(config, place, telemetry, stop, watchdog)
    finally:
        telemetry.close()


def _open_telemetry(config: Config, place: Placement) -> Telemetry:
    """Serve metrics before anything can hang, so that a hang is visible."""
    port = config.telemetry.port
    telemetry = Telemetry.serve(port + place.local_rank if port else port, is_first_rank=place.rank == 0)
    identity = {
        "rank": str(place.rank),
        "local_rank": str(place.local_rank),
        "zero_stage": str(config.train.zero_stage),
        "run_id": _run_id(config),
        "version": _version(),
    }
    telemetry.set("rank_info", 1, **identity)
    telemetry.set("world_size", place.world_size)
    watch_host_memory(telemetry)
    return telemetry


def _run(config: Config, place: Placement, telemetry: Telemetry, stop: StopRequest, watchdog: Watchdog) -> ExitCode:
    choose_accelerator(os.environ)
    import torch  # noqa: PLC0415  # this and what follows read the environment that was set above

    from trainer.distributed import join, leave, naming_lost_peers  # noqa: PLC0415
    from trainer.engine import prepare_ops  # noqa: PLC0415
    from trainer.precision import use_deterministic_kernels  # noqa: PLC0415

    if config.run.threads is not None:
        torch.set_num_threads(config.run.threads)
    prepare_ops()
    if config.train.deterministic:
        use_deterministic_kernels()
    try:
        with naming_lost_peers(), _holding_folder(config, place):
            ranks = join(place.local_rank, place.on_node)
            with closing(_open_events(config, place)) as events:
                outcome = _train_together(config, ranks, telemetry, events, stop, watchdog)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is said and the process ends
        _end_with(error, config, place, telemetry)
    leave()
    return outcome


def _holding_folder(config: Config, place: Placement) -> AbstractContextManager[None]:
    """Let the first rank hold the lock of the run folder: it writes what is written once a run."""
    return nullcontext() if place.rank else held(config.run.folder, _end_without_folder)


def _end_without_folder(holder: Holder | None) -> NoReturn:
    complain(f"{named_rank()}run.folder: {holder} has taken the run over, because this process did not answer")
    os._exit(ExitCode.START_AGAIN)


def _end_with(error: Exception, config: Config, place: Placement, telemetry: Telemetry) -> NoReturn:
    """Say what went wrong, give the process group up, and end without waiting for anybody."""
    from trainer.distributed import abort  # noqa: PLC0415  # torch reads the environment first

    if isinstance(error, LmmtcError):
        code = report(error)
    else:
        code = ExitCode.FAULT
        complain("".join(traceback.format_exception(error)) + f"{named_rank()}{type(error).__name__}: {error}")
    if code is ExitCode.FAULT:  # a refused start leaves a run as it was, and what is lost elsewhere is said there
        telemetry.add("faults_total", 1)
        _log_fault(error, code, config, place)
    abort()
    sys.stdout.flush()
    os._exit(code)


def _log_fault(error: Exception, code: ExitCode, config: Config, place: Placement) -> None:
    """Append one line to the event log, which the first rank keeps: it can no longer be told in a collective."""
    events = RunFolder(config.run.folder).events
    with suppress(OSError):  # a full disk may be what went wrong
        if events.is_file():
            with closing(EventLog(events, None, run_id=_run_id(config), rank=place.rank)) as log:
                log.write("fault", error=type(error).__name__, message=str(error)[:MESSAGE_CHARACTERS], exit_code=code)


def _train_together(
    config: Config, ranks: "Ranks", telemetry: Telemetry, events: EventLog, stop: StopRequest, watchdog: Watchdog
) -> ExitCode:
    """Train; that the run is done is on the disk of every machine before any rank ends with 0."""
    from trainer.precision import with_precision  # noqa: PLC0415
    from trainer.training.build import build_run  # noqa: PLC0415
    from trainer.training.loop import Outcome  # noqa: PLC0415

    config = with_precision(config, ranks)
    folder = RunFolder(config.run.folder)
    callbacks = [*_extra_callbacks(config, ranks), watchdog]
    run = build_run(config, ranks, telemetry, events, stop, callbacks, moved=watchdog.progress)
    past, started = RunHistory(), psutil.Process().create_time()
    if ranks.is_first_on_node:
        folder.success.unlink(missing_ok=True)
    if ranks.is_first:
        past = RunHistory.read(folder.events, run.position.step, started)
    telemetry.begin(past, started)
    facts = {"world_size": ranks.world_size, "precision": config.train.precision, "faults": past.faults}
    events.write("start", step=run.position.step, restarts=past.restarts, **facts)
    watchdog.heartbeat()
    if run.loop.run(run.position) is Outcome.STOPPED:
        return ExitCode.START_AGAIN
    if ranks.is_first_on_node:
        folder.finish(config.train.steps, _run_id(config))
    ranks.barrier()
    return ExitCode.DONE


def _open_events(config: Config, place: Placement) -> EventLog:
    """Let the first rank log for all, and repeat it on stdout where no terminal shows a bar instead."""
    identity = {"run_id": _run_id(config), "rank": place.rank}
    if place.rank:
        return EventLog(None, None, **identity)
    config.run.folder.mkdir(parents=True, exist_ok=True)
    return EventLog(config.run.folder / "events.jsonl", None if sys.stdout.isatty() else sys.stdout, **identity)


def _extra_callbacks(config: Config, ranks: "Ranks") -> list:
    from .terminal.progress import TrainingBar  # noqa: PLC0415

    return [TrainingBar(config.train.steps)] if ranks.is_first and sys.stdout.isatty() else []


def _run_id(config: Config) -> str:
    """Name the run after its folder: the same on all ranks and after every restart."""
    return config.run.folder.name


def _version() -> str:
    try:
        return version("lmmtc")
    except PackageNotFoundError:  # started from a clone that was never installed
        return "unknown"
