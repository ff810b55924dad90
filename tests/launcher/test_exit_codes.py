"""What schedulers read, and what people read."""

import pytest

from launcher.exit_codes import ExitCode, exit_code, report
from sharding import (
    BadRecordError,
    CorruptShardError,
    DataError,
    LmmtcError,
    ManifestError,
    StreamMismatchError,
    UnreachableError,
)
from trainer.errors import CheckpointError, ConfigError, NonFiniteError, PeerLostError
from trainer.telemetry import TelemetryError


def test_the_numbers_are_those_that_the_deployment_relies_on() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAULT": 1,
        "START_AGAIN": 75,
        "CONFIGURATION": 78,
    }


@pytest.mark.parametrize(
    "kind",
    [ConfigError, DataError, BadRecordError, CorruptShardError, ManifestError, StreamMismatchError, TelemetryError],
)
def test_what_a_restart_cannot_mend_is_a_matter_of_configuration(kind: type[LmmtcError]) -> None:
    assert exit_code(kind("")) is ExitCode.CONFIGURATION


def test_a_run_that_has_lost_a_rank_may_be_started_again() -> None:
    assert exit_code(PeerLostError("")) is ExitCode.START_AGAIN


@pytest.mark.parametrize("kind", [CheckpointError, NonFiniteError, UnreachableError])
def test_other_errors_are_faults(kind: type[LmmtcError]) -> None:
    assert exit_code(kind("")) is ExitCode.FAULT


def test_an_error_of_the_only_process_is_one_line_with_its_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert report(ConfigError("train.steps = 0: must be greater than 0")) is ExitCode.CONFIGURATION
    assert capsys.readouterr().err == "ConfigError: train.steps = 0: must be greater than 0\n"


def test_among_ranks_an_error_names_its_rank(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    report(CheckpointError("disk full"))
    assert capsys.readouterr().err == "[rank 3] CheckpointError: disk full\n"
