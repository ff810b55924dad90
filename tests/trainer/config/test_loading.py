"""From TOML and --set to a Config, or to words that name the key."""

import os
import re
from pathlib import Path

import pytest

from trainer.config import Config, check_config, load_config
from trainer.errors import ConfigError

MINIMAL = """
[run]
folder = "runs/one"
[data]
dataset = "data/one"
[model]
encoder = "data/encoder"
[train]
steps = 100
global_batch = 32
micro_batch = 8
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL)
    return path


def error_of(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def test_what_is_not_given_has_a_default(path: Path) -> None:
    config = load_config(path)
    assert config.train.steps == 100
    assert config.run.folder == Path("runs/one")
    assert config.cloze.enabled


def test_a_config_of_an_earlier_version_names_the_one_split_to_learn_from(path: Path) -> None:
    assert load_config(path, ["data.train_split=train"]) == load_config(path)


def test_a_config_survives_json(path: Path) -> None:
    config = load_config(path, ["telemetry.port=0"])
    assert check_config(config.model_dump(mode="json"), "json") == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.warmpu=0.1", "train.warmpu: unknown key; did you mean train.warmup?"),
        ("train.shortlist=8", "train.shortlist: unknown key; did you mean cloze.shortlist?"),
        ("clozes.shortlist=8", "clozes: unknown key; did you mean cloze?"),
        ("train.xyz=8", "train.xyz: unknown key"),
        ("train.warmup=1.4", "train.warmup = 1.4: must be less than or equal to 1"),
        ("train.micro_batch=0", "train.micro_batch = 0: must be greater than 0"),
        ("train.zero_stage=4", "train.zero_stage = 4: must be less than or equal to 3"),
        (
            "labels.optimizer=adagrad",
            "labels.optimizer = 'adagrad': must be 'adam', 'rowwise_adagrad' or 'sgd'",
        ),
        ("train.steps=many", "train.steps = 'many': must be a valid integer, unable to parse string as an integer"),
    ],
)
def test_an_error_names_key_value_rule_and_file(path: Path, override: str, words: str) -> None:
    assert error_of(path, override) == f"{words} ({path})"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["cloze.attention=joint"],
            "cloze.attention = 'joint': one sequence holds every label: set cloze.slots = 'all'",
        ),
        (["data.train_split=dev"], "data.train_split: label counts are those of the split 'train': leave it out"),
        (
            ["cloze.slots=all", "cloze.inject=2"],
            "cloze.inject = 2: adds to slots of a shortlist: set cloze.slots = 'shortlist', or use 0",
        ),
        (["cloze.label_tokens=3"], "cloze.label_tokens = 3: only joint attention has room for them"),
        (
            ["cloze.slots=all", "cloze.enabled=false"],
            "cloze.slots = 'all': cloze.enabled = false is a plain head over a scan: leave it out",
        ),
        (
            ["cloze.driver=fused", "train.zero_stage=3"],
            (
                "cloze.driver = 'fused': ZeRO-3 would give it parts of parameters, and wrong gradients: "
                "use 'checkpointed', or train.zero_stage of at most 2"
            ),
        ),
        (
            ["mlm.own_pass=true", "cloze.attention=joint", "cloze.slots=all"],
            "mlm.own_pass = true: under joint attention labels and masked text are one sequence",
        ),
        (
            ["run.stall_seconds=1800"],
            (
                "run.stall_seconds = 1800: must be below 1800, the seconds after which torch.distributed gives up "
                "waiting for a rank and says less"
            ),
        ),
        (
            ["train.micro_tokens=4096", "train.global_batch=48", "train.micro_batch=32"],
            (
                "train.global_batch = 48: with train.micro_tokens it must be a multiple of train.micro_batch = 32, "
                "because a step is as many micro-batches"
            ),
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(path: Path, overrides: list[str], words: str) -> None:
    assert error_of(path, *overrides) == f"{words} ({path})"


def test_all_errors_are_told_at_once(path: Path) -> None:
    assert len(error_of(path, "train.lr=0", "mlm.probability=2").splitlines()) == 2


def test_what_is_required_is_asked_for(path: Path) -> None:
    path.write_text(MINIMAL.replace("steps = 100\n", ""))
    assert error_of(path) == f"train.steps: is required and has no default ({path})"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("train.lr=1e-4", "train", "lr", 1e-4),
        ("cloze.enabled=false", "cloze", "enabled", False),
        ("run.folder=runs/two=2", "run", "folder", Path("runs/two=2")),
        ('data.dev_split="test"', "data", "dev_split", "test"),
        ("data.dev_split=test", "data", "dev_split", "test"),
    ],
)
def test_set_takes_toml_values_and_bare_words(path: Path, override: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load_config(path, [override]), section), key) == value


def test_the_last_set_wins(path: Path) -> None:
    assert load_config(path, ["train.steps=5", "train.steps=7"]).train.steps == 7


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lr", "--set train.lr: must look like section.key=value"),
        ("lr=1", "--set lr=1: must look like section.key=value"),
        ("run.folder.name=1", "--set run.folder.name=1: folder is a value, not a section"),
    ],
)
def test_a_set_that_is_no_setting_is_refused(path: Path, override: str, words: str) -> None:
    assert error_of(path, override) == words


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert error_of(tmp_path / "no.toml") == f"{tmp_path / 'no.toml'}: no such configuration file"


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    message = f"{tmp_path}: Is a directory: must be a configuration file that this user may read"
    assert error_of(tmp_path) == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_this_user_may_not_read_is_named(path: Path) -> None:
    path.chmod(0)
    assert error_of(path) == f"{path}: Permission denied: must be a configuration file that this user may read"


def test_a_file_in_another_encoding_is_named_with_the_place(path: Path) -> None:
    path.write_bytes(MINIMAL.replace("runs/one", "Läufe").encode("latin-1"))
    assert re.fullmatch(
        rf"{path}: not valid TOML: 'utf-8' .* 0xe4 in position 18: .*: save it as UTF-8", error_of(path)
    )


def test_broken_toml_is_named_with_its_place(path: Path) -> None:
    path.write_text(MINIMAL + "lr = = 3\n")
    assert re.match(rf"{path}: not valid TOML: .*line 12, column 6", error_of(path))


def test_values_never_change_after_loading(path: Path) -> None:
    config: Config = load_config(path)
    with pytest.raises(ValueError, match="frozen"):
        config.train.steps = 3


@pytest.mark.parametrize("key", ["checkpoint.store", "data.dataset"])
@pytest.mark.parametrize(
    "address",
    [
        *("s3://", "s3://user:hush@bucket/x", "s3://user:hu/sh@bucket/x", "s3://bucket/x?key=hush"),
        *("ftp://user:hush@host/x", "file://user:hush@host/x"),
    ],
)
def test_what_is_no_address_in_a_bucket_is_refused_and_not_repeated(path: Path, key: str, address: str) -> None:
    assert error_of(path, f"{key}={address}") == (
        f"{key}: must be s3://bucket/prefix and nothing else: credentials belong in the environment or in ~/.aws "
        f"({path})"
    )


@pytest.mark.parametrize("folder", ["runs/one", "file:///runs/one"])
def test_a_folder_for_checkpoints_is_no_store(path: Path, folder: str) -> None:
    assert error_of(path, f"checkpoint.store={folder}").startswith("checkpoint.store: must be s3://bucket/prefix")


@pytest.mark.parametrize("place", ["s3://bucket", "s3://bucket/a/prefix", "file:///data/one", "data/user@host/x y"])
def test_a_data_set_is_in_a_bucket_or_in_any_folder(path: Path, place: str) -> None:
    assert load_config(path, [f"data.dataset={place}"]).data.dataset == place


def test_keys_under_old_names_are_read_and_the_new_ones_named(path: Path) -> None:
    with pytest.warns(FutureWarning) as warned:
        config = load_config(path, ["run.start_from=before", "labels.start=random"])
    assert (config.run.init_from, config.labels.init) == (Path("before"), "random")
    assert [str(each.message) for each in warned] == [
        f"run.start_from: is called run.init_from now ({path})",
        f"labels.start: is called labels.init now ({path})",
    ]


def test_a_key_under_both_names_is_refused(path: Path) -> None:
    with pytest.warns(FutureWarning):
        found = error_of(path, "labels.start=text", "labels.init=random")
    assert found == f"labels.start: is called labels.init now, which is set as well: remove labels.start ({path})"


def test_old_runs_are_read_without_a_word(path: Path) -> None:
    tree = load_config(path).model_dump(mode="json")
    tree["labels"]["start"] = tree["labels"].pop("init")
    assert check_config(tree, "config.json").labels.init == "text"
