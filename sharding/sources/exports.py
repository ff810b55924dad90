"""Records as annotation tools export them, brought to plain fields."""

from typing import Any

from ..errors import LeftOutError

_REFUSED = ("reject", "ignore")
_OF_PRODIGY = frozenset({"_input_hash", "_task_hash", "accept", "options"})


def flattened(fields: dict[str, Any]) -> dict[str, Any] | LeftOutError:
    """Give the plain fields of a task of Label Studio or of Prodigy; what is neither stays as it is.

    Label Studio: the fields of `data`, and `labels`, all choices of annotations that were not cancelled. Prodigy:
    `labels`, what was accepted among options, or the one label that was asked for; a task whose answer is no accept is
    left out.
    """
    annotations = fields.get("annotations", fields.get("completions"))
    if isinstance(annotations, list) and isinstance(fields.get("data"), dict):
        return _of_label_studio(fields, annotations)
    if "answer" in fields and _OF_PRODIGY & fields.keys():
        return _of_prodigy(fields)
    return fields


def _of_prodigy(fields: dict[str, Any]) -> dict[str, Any] | LeftOutError:
    if fields["answer"] in _REFUSED:
        return LeftOutError(f"its answer is {fields['answer']}")
    for key in ("accept", "cats", "label"):
        if "labels" not in fields and key in fields:
            return {**fields, "labels": fields[key]}
    return fields


def _of_label_studio(fields: dict[str, Any], annotations: list[Any]) -> dict[str, Any]:
    labels: list[Any] = []
    for annotation in annotations:
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            for result in annotation.get("result") or ():
                value = result.get("value") if isinstance(result, dict) else None
                if isinstance(value, dict):
                    labels += value.get("choices") or [path[-1] for path in value.get("taxonomy") or () if path]
    known = {"id": fields["id"]} if "id" in fields else {}
    return {**known, "labels": list(dict.fromkeys(labels)), **fields["data"]}
