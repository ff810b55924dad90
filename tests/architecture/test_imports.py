"""Who may know what: one place for each heavy library, and nowhere a way to run code that came with data."""

import sys

import pytest

import trainer
from tests.architecture.sources import FILES, called, importers, name_of
from tests.programs import ROOT, finish

RUNS_CODE = {"eval", "exec", "compile", "__import__", "torch.load", "yaml.load", "yaml.unsafe_load", "np.load"}


def test_only_the_engine_knows_deepspeed() -> None:
    assert {name.rsplit("/", 1)[0] for name in importers("deepspeed")} == {"trainer/engine"}


def test_only_one_file_knows_how_ranks_talk() -> None:
    assert importers("torch.distributed") == {"trainer/distributed.py"}


def test_only_the_encoder_and_its_attention_know_transformers() -> None:
    assert importers("transformers") == {"trainer/model/encoder.py", "trainer/model/prefix.py"}


def test_only_the_terms_of_neighbours_know_scikit_learn() -> None:
    assert importers("sklearn") == {"trainer/neighbours/terms.py"}


def test_only_one_file_asks_what_a_device_multiplies_in() -> None:
    probes = {"torch.cpu.get_capabilities", "torch.cuda.is_bf16_supported"}
    assert {name_of(path) for path in FILES if probes & set(called(path))} == {"trainer/precision.py"}


def test_the_launcher_takes_torch_only_where_it_starts_training() -> None:
    # `lmmtc --help` and `lmmtc shard` must not wait for it.
    found = {name for name in importers("torch") if name.startswith("launcher/")}
    assert found == {"launcher/cluster/accelerator.py", "launcher/rank.py"}


@pytest.mark.parametrize("module", ["pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"])
def test_nobody_reads_what_can_run_code(module: str) -> None:
    assert importers(module) == set()


def test_nobody_runs_code_that_is_not_source() -> None:
    offenders = {(name_of(path), name) for path in FILES for name in called(path) if name in RUNS_CODE}
    assert offenders == set()


def test_the_front_door_opens_without_torch() -> None:
    program = (
        "import sys, trainer; trainer.Config, trainer.load_config; assert 'torch' not in sys.modules;"
        "print(*(getattr(trainer, name).__name__ for name in ('TrainedModel', 'predict', 'Prediction')))"
    )
    assert finish(sys.executable, "-c", program, cwd=ROOT).out == "TrainedModel predict Prediction\n"
    with pytest.raises(AttributeError, match=r"module 'trainer' has no attribute 'nothing'"):
        trainer.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
