"""From a TOML file and `--set a.b=c` to a checked Config, or to one error that names the key."""

import tomllib
import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import ConfigError
from .schema import Config

Checked = TypeVar("Checked", bound=BaseModel)

RENAMED = {"run.start_from": "run.init_from", "labels.start": "labels.init"}  # old names, which files may still use


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read `path`, apply `a.b=value` overrides in order, and check everything.

    Raises ConfigError: missing file, broken TOML, unknown key (with the nearest known one), value out of bounds.
    """
    tree = read_toml(path, "configuration file")
    for override in overrides:
        _apply(tree, override)
    for old, new in _under_old_names(tree):
        warnings.warn(f"{old}: is called {new} now ({path})", FutureWarning, stacklevel=2)
    return check_config(tree, str(path))


def check_config(tree: dict[str, Any], origin: str) -> Config:
    """Turn a tree of plain values, keys under old names among them, into a Config; `origin` is named in errors."""
    return validated(Config, _with_new_names(tree, origin), origin)


def _under_old_names(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for old, new in RENAMED.items():
        section, _, key = old.partition(".")
        if isinstance(tree.get(section), dict) and key in tree[section]:
            yield old, new


def _with_new_names(tree: dict[str, Any], origin: str) -> dict[str, Any]:
    for old, new in _under_old_names(tree):
        (section, _, before), (*_, after) = old.partition("."), new.partition(".")
        if after in tree[section]:
            raise ConfigError(f"{old}: is called {new} now, which is set as well: remove {old} ({origin})")
        values = {after if key == before else key: value for key, value in tree[section].items()}
        tree = {**tree, section: values}
    return tree


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """Read a file; ConfigError when it cannot be read, which says of what kind it should be, or when it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {kind}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: must be a {kind} that this user may read") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def validated(model: type[Checked], tree: dict[str, Any], origin: str) -> Checked:
    """Turn a tree of plain values into what a model describes; ConfigError names each wrong key, and `origin`."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = [_describe(detail, model) for detail in error.errors()]
        raise ConfigError("\n".join(f"{line} ({origin})" for line in lines)) from None


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *parents, leaf = key.split(".")
    if not equals or not parents:
        raise ConfigError(f"--set {override}: must look like section.key=value")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, not a section")
    node[leaf] = _value(text)


def _value(text: str) -> Any:
    """Read `text` as a TOML value; what is none (a bare word, a path) is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _describe(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(detail['loc'], model)}"
    if detail["type"] == "missing":
        return f"{key}: is required and has no default"
    if detail["type"] == "value_error":  # of settings that do not fit together
        return detail["msg"].removeprefix("Value error, ")
    rule = detail["msg"].removeprefix("Input should be ")
    return f"{key} = {detail['input']!r}: must be {rule}"


def _suggestion(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Name the known key most like the unknown one: among its neighbours first, then anywhere."""
    *parents, leaf = (str(part) for part in location)
    known = _known_keys(model)
    neighbours = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == ".".join(parents)}
    near = [neighbours[name] for name in get_close_matches(leaf, neighbours, n=1)]
    same_name = [key for key in known if key.rpartition(".")[2] == leaf]
    return f"; did you mean {(near + same_name)[0]}?" if near or same_name else ""


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{prefix}{name}.")
    return keys
