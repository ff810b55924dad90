"""Records as annotation tools export them, brought to plain fields."""

from typing import Any


def flattened(fields: dict[str, Any]) -> dict[str, Any]:
    """Give the plain fields of a task of Label Studio or of Prodigy; what is neither stays as it is.

    Label Studio: the fields of `data`, and `labels`, all choices of annotations that were not cancelled. Prodigy:
    `labels`, what was accepted among options, or the one label that was asked for.
    """
    annotations = fields.get("annotations", fields.get("completions"))
    if isinstance(annotations, list) and isinstance(fields.get("data"), dict):
        return _of_label_studio(fields, annotations)
    if "answer" in fields and "labels" not in fields:
        if isinstance(fields.get("accept"), list):
            return {**fields, "labels": fields["accept"]}
        if isinstance(fields.get("cats"), dict):
            return {**fields, "labels": fields["cats"]}
        if "label" in fields:
            return {**fields, "labels": [fields["label"]]}
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
