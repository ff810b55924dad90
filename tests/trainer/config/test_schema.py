"""No setting without an effect."""

import ast
from pathlib import Path

import trainer.config.schema as schema_module
from trainer.config import Config

ROOT = Path(schema_module.__file__).parent.parent.parent


def attributes_read() -> set[str]:
    files = [path for floor in ("launcher", "trainer") for path in (ROOT / floor).rglob("*.py")]
    trees = [ast.parse(path.read_text()) for path in files if path.name != "schema.py"]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_setting_is_read_somewhere() -> None:
    sections = Config.model_fields
    keys = [f"{name}.{key}" for name, field in sections.items() for key in field.annotation.model_fields]  # type: ignore[union-attr]
    read = attributes_read()
    assert [key for key in keys if key.partition(".")[2] not in read] == []
