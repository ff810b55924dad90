"""S3 credentials and endpoint: from the environment, then from an AWS profile.

Web identities, container and instance roles are left to the client library. Secrets go to it alone, never into a
message.
"""

from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DataError

_OF_PROFILES = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
}


def s3_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Collect what the client library does not find in the environment by itself, under the names that it knows.

    DataError when AWS_PROFILE names a profile without keys, or when the endpoint is no plain http(s) address.
    """
    settings = _address(environment)
    if "AWS_ACCESS_KEY_ID" in environment:
        return settings
    found = {_OF_PROFILES[key]: value for key, value in _profile(environment).items() if key in _OF_PROFILES}
    if "AWS_PROFILE" in environment and "secret_access_key" not in found:
        raise DataError(
            f"AWS_PROFILE = {environment['AWS_PROFILE']}: holds no keys, and logins and roles of profiles are not "
            "followed: try `eval $(aws configure export-credentials --format env)`"
        )
    if "AWS_REGION" in environment or "AWS_DEFAULT_REGION" in environment:
        found.pop("region", None)
    return settings | found


def _address(environment: Mapping[str, str]) -> dict[str, Any]:
    key = "AWS_ENDPOINT_URL_S3" if "AWS_ENDPOINT_URL_S3" in environment else "AWS_ENDPOINT_URL"
    if key not in environment:
        return {}
    parts = urlsplit(environment[key])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DataError(f"{key}: must be http://host:port or https://host:port")
    if "@" in parts.netloc:
        raise DataError(f"{key}: must hold no user and no password: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return {"endpoint": environment[key]}


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    home = Path(environment["HOME"]) / ".aws" if "HOME" in environment else Path("/nonexistent")
    name = environment.get("AWS_PROFILE", "default")
    config = _section(
        Path(environment.get("AWS_CONFIG_FILE", home / "config")), name if name == "default" else f"profile {name}"
    )
    return config | _section(Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")), name)


def _section(path: Path, name: str) -> dict[str, str]:
    # "DEFAULT" is no section of its own in these files, and a % in a key is just a %.
    parser = ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(path, encoding="utf-8")
    except (Error, ValueError):
        # The parser's own message quotes the line, which may be a secret.
        raise DataError(f"{path}: cannot be read as a file of AWS profiles") from None
    return dict(parser[name]) if parser.has_section(name) else {}
