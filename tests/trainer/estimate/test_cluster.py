"""A cluster file, and the words for one that is wrong."""

from pathlib import Path

import pytest

from tests.programs import ROOT, write_config
from tests.trainer.estimate.cases import TREE
from trainer.errors import ConfigError
from trainer.estimate import load_cluster
from trainer.estimate.cluster import Cluster


def error_of(path: Path, **sections: dict[str, object]) -> str:
    write_config(path, **(TREE | sections))
    with pytest.raises(ConfigError) as caught:
        load_cluster(path)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "clusters").glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_can_be_read(path: Path) -> None:
    assert load_cluster(path).world_size > 0


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such cluster file$"):
        load_cluster(tmp_path / "none.toml")


def test_a_wrong_key_or_value_is_named_with_its_rule(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    assert error_of(path, nodes=TREE["nodes"] | {"count": 0}) == (f"nodes.count = 0: must be greater than 0 ({path})")
    assert error_of(path, nodes=TREE["nodes"] | {"rank": 4}) == (
        f"nodes.rank: unknown key; did you mean nodes.ranks? ({path})"
    )
    assert error_of(path, network={"inside_gbs": 1, "between_gbs": 1}) == (
        f"network.latency_us: is required and has no default ({path})"
    )


def test_gpus_have_a_memory_and_cpus_have_none_of_their_own(tmp_path: Path) -> None:
    path, rule = tmp_path / "cluster.toml", "is required where nodes.device = 'gpu', and nowhere else"
    cpu = TREE["nodes"] | {"device": "cpu"}
    assert error_of(path, nodes=cpu) == f"nodes.device_gib = 40: {rule} ({path})"
    gpu = {key: value for key, value in TREE["nodes"].items() if key != "device_gib"}
    assert error_of(path, nodes=gpu) == f"nodes.device_gib = unset: {rule} ({path})"


def test_what_a_calibration_writes_can_be_read(tmp_path: Path) -> None:
    from trainer.calibration.calibration import write_cluster

    cluster = Cluster.model_validate(TREE)
    write_cluster(cluster, tmp_path / "here.toml")
    assert load_cluster(tmp_path / "here.toml") == cluster
