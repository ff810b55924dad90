"""Where keys and addresses of S3 come from."""

from pathlib import Path

import pytest

from sharding import DataError
from sharding.remote.s3 import s3_settings

CREDENTIALS = """
[default]
aws_access_key_id = default-key
aws_secret_access_key = default%secret

[team]
aws_access_key_id = team-key
aws_secret_access_key = team-secret
aws_session_token = team-token
"""
CONFIG = """
[default]
region = eu-west-1
output = json

[profile team]
region = eu-central-1

[profile single-sign-on]
sso_session = us
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


def test_keys_of_the_environment_are_left_to_the_client(home: dict[str, str]) -> None:
    assert s3_settings(home | {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}) == {}


def test_without_them_the_default_profile_counts(home: dict[str, str]) -> None:
    assert s3_settings(home) == {
        "access_key_id": "default-key",
        "secret_access_key": "default%secret",
        "region": "eu-west-1",
    }


def test_a_named_profile_brings_its_token_and_the_environment_its_region(home: dict[str, str]) -> None:
    settings = s3_settings(home | {"AWS_PROFILE": "team"})
    assert settings == {
        "access_key_id": "team-key",
        "secret_access_key": "team-secret",
        "session_token": "team-token",
        "region": "eu-central-1",
    }
    assert "region" not in s3_settings(home | {"AWS_PROFILE": "team", "AWS_REGION": "us-west-2"})


def test_the_files_may_lie_elsewhere(home: dict[str, str]) -> None:
    folder = Path(home["HOME"]) / ".aws"
    named = {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"), "AWS_CONFIG_FILE": str(folder / "config")}
    assert s3_settings(named) == s3_settings(home)


def test_a_machine_without_profiles_leaves_all_to_the_client(tmp_path: Path) -> None:
    assert s3_settings({"HOME": str(tmp_path)}) == {}
    assert s3_settings({}) == {}


@pytest.mark.parametrize("profile", ["single-sign-on", "unknown"])
def test_a_profile_without_keys_is_refused_with_a_way_out(home: dict[str, str], profile: str) -> None:
    with pytest.raises(DataError, match=rf"AWS_PROFILE = {profile}: holds no keys.*export-credentials --format env"):
        s3_settings(home | {"AWS_PROFILE": profile})


def test_a_damaged_file_of_profiles_is_named_but_not_quoted(home: dict[str, str]) -> None:
    (Path(home["HOME"]) / ".aws" / "credentials").write_text("aws_secret_access_key = hush\n")
    with pytest.raises(DataError, match=r"credentials: cannot be read as a file of AWS profiles") as caught:
        s3_settings(home)
    assert "hush" not in str(caught.value)


def test_the_address_of_s3_comes_before_that_of_everything(home: dict[str, str]) -> None:
    general = {"AWS_ENDPOINT_URL": "https://aws.example"}
    assert s3_settings(home | general)["endpoint"] == "https://aws.example"
    special = {"AWS_ENDPOINT_URL_S3": "http://s3.example:9000"}
    assert s3_settings(home | general | special)["endpoint"] == "http://s3.example:9000"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3.example:9000", "AWS_ENDPOINT_URL: must be http://host:port or https://host:port"),
        ("https://user:hush@s3.example", "AWS_ENDPOINT_URL: must hold no user and no password"),
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused_unquoted(address: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        s3_settings({"AWS_ENDPOINT_URL": address})
    assert "hush" not in str(caught.value)
