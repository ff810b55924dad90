"""Bad input of the label side: what the user reads, the exit code, and what stays on disk."""

from pathlib import Path

import pytest

from tests.launcher.conftest import Lmmtc

pytestmark = pytest.mark.ranks


def test_rows_that_do_not_fit_are_refused_before_they_are_read(
    lmmtc: Lmmtc, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.labels.memory.free_on_host", lambda: 0)
    monkeypatch.setattr("trainer.trained.load_rows", None)
    said = lmmtc("evaluate", trained)
    assert said.code == 78
    assert said.err == (
        "ConfigError: label rows: 48 labels x 32 in fp32 take 0.0 GB, and 0.0 GB of host memory are free: "
        "use a machine with more memory, or ranks on more machines\n"
    )
