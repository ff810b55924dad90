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


def read_by_methods(read: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Find what methods of the schema read, where they are used themselves: cloze.enabled by cloze.reveals."""
    classes = [node for path in FILES if name_of(path).startswith("trainer/config/") for node in ast.walk(tree(path))]
    found = set()
    for owner in (node for node in classes if isinstance(node, ast.ClassDef)):
        section = owner.name.removesuffix("Section").lower()
        for function in (part for part in owner.body if isinstance(part, ast.FunctionDef)):
            if {(section, function.name), ("settings", function.name)} & read:
                nodes = (node for node in ast.walk(function) if isinstance(node, ast.Attribute))
                own = {(ast.unparse(node.value).rpartition(".")[2], node.attr) for node in nodes}
                found |= {(section if name == "self" else name, key) for name, key in own}
    return found


READ = read_attributes()
READ |= read_by_methods(READ)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_setting_is_read_where_it_acts(section: str, key: str) -> None:
    # A function that takes one section alone may call it `settings`.
    assert {(section, key), ("settings", key)} & READ
