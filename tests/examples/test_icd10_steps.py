"""How long the demo trains here."""

import tomllib

import pytest
import torch

from examples.icd10 import steps
from tests.programs import ROOT

CONFIG = tomllib.loads((ROOT / "examples" / "icd10" / "config.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("capable", "number", "why"),
    [
        ("cpu", "1231", "1,231 steps: this CPU multiplies bf16: a whole epoch"),
        ("gpu", "312", "312 steps: this CPU does not multiply bf16: a quarter of an epoch, to end in time"),
    ],
)
def test_the_number_of_steps_is_all_that_a_shell_takes(
    capable: str, number: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(steps, "multiplies_bf16", lambda device: device.type == capable)
    steps.main()
    said = capsys.readouterr()
    assert (said.out, said.err) == (number + "\n", why + "\n")


def test_the_steps_of_the_configuration_are_an_epoch() -> None:
    assert CONFIG["train"]["steps"] == steps.EPOCH
    assert abs(steps.EPOCH - 4 * steps.QUARTER) < 0.02 * steps.EPOCH
