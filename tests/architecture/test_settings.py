"""No setting without effect."""

import ast

import pytest

from tests.architecture.sources import FILES, name_of, tree
from trainer.config import Config

KEYS = [
    (section, key)
    for section, field in Config.model_fields.items()
    for key in field.annotation.model_fields  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
]


def read_attributes() -> set[tuple[str, str]]:
    """Find each `owner.name` in the code, `owner` being the last word before the dot."""
    nodes = [node for path in FILES if name_of(path) != "trainer/config/schema.py" for node in ast.walk(tree(path))]
    return {
        (ast.unparse(node.value).rpartition(".")[2], node.attr) for node in nodes if isinstance(node, ast.Attribute)
    }


def read_by_properties(read: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Find what properties of a section read of it, where they are read themselves: cloze.enabled by cloze.reveals."""
    nodes = [node for path in FILES if name_of(path).startswith("trainer/config/") for node in ast.walk(tree(path))]
    return {
        (section, node.attr)
        for owner in nodes
        if isinstance(owner, ast.ClassDef) and owner.name.endswith("Section")
        for section in [owner.name.removesuffix("Section").lower()]
        for function in owner.body
        if isinstance(function, ast.FunctionDef)
        and [ast.unparse(decorator) for decorator in function.decorator_list] == ["property"]
        and {(section, function.name), ("settings", function.name)} & read
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }


READ = read_attributes()
READ |= read_by_properties(READ)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_setting_is_read_where_it_acts(section: str, key: str) -> None:
    # A function that takes one section alone may call it `settings`.
    assert {(section, key), ("settings", key)} & READ
