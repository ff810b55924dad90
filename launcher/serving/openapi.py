"""The OpenAPI document of a server: its addresses, what they take and give, and all problems; /docs shows it."""

from typing import Any

from pydantic import BaseModel

from .assist import SaveRequest
from .metrics import package_version
from .problems import KINDS
from .questions import PredictRequest
from .why import WhyRequest

_STRING, _NUMBER, _WHOLE, _BOOLEAN = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))
_TEXT = {"type": ["string", "null"], "description": "What the label means, where the run knows."}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_SCORED = _object(label=_STRING, text=_TEXT, probability=_NUMBER, score=_NUMBER)
_LABEL = _object(label=_STRING, text=_TEXT, training_records=_WHOLE)
_LIMITS = _object(body_bytes=_WHOLE, texts=_WHOLE, characters=_WHOLE, top=_WHOLE)
_MODEL = _object(
    run=_STRING,
    step=_WHOLE,
    labels=_WHOLE,
    reads_given=_BOOLEAN,
    reads_denied=_BOOLEAN,
    most_given=_WHOLE,
    max_tokens=_WHOLE,
    limits=_LIMITS,
    version=_STRING,
)
_SUGGESTED = _object(
    results=_list(_object(uri=_STRING, label=_STRING, notation={"type": "null"}, score=_NUMBER)),
)
_PROJECT = _object(
    project_id=_STRING, name=_STRING, language=_STRING, backend=_object(backend_id=_STRING), is_trained=_BOOLEAN
)
_DOCUMENTS = _object(documents=_list({**_object(text=_STRING, document_id=_STRING), "required": ["text"]}))
_FORM = {**_object(text=_STRING, limit=_WHOLE, threshold=_NUMBER), "required": ["text"]}


def document() -> dict[str, Any]:
    """Write the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "lmmtc serve", "version": package_version(), "description": _ABOUT},
        "paths": {path: {method: _operation(**what)} for path, method, what in _paths()},
        "components": {
            "schemas": {"Problem": _object(type=_STRING, title=_STRING, status=_WHOLE, detail=_STRING)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
        "x-problems": [{"kind": kind, "status": status, "title": title} for kind, (status, title) in KINDS.items()],
    }


_ABOUT = (
    "Labels texts with a trained run, and reads labels that are known beforehand. Every error is a problem of RFC 9457 "
    "with one of the types at the end of this page."
)


def _paths() -> list[tuple[str, str, dict[str, Any]]]:
    project = [_in_path("project_id")]
    limits = [_in_query("limit", _WHOLE), _in_query("threshold", _NUMBER)]
    return [
        (
            "/v1/predict",
            "post",
            {
                "summary": "Label texts, with what is known of each.",
                "body": schema_of(PredictRequest),
                "gives": _object(step=_WHOLE, results=_list(_object(labels=_list(_SCORED)))),
            },
        ),
        (
            "/v1/labels",
            "get",
            {
                "summary": "Find labels by the beginnings of words in name and text.",
                "parameters": [_in_query("q", _STRING), _in_query("limit", _WHOLE)],
                "gives": _object(labels=_list(_LABEL)),
            },
        ),
        (
            "/v1/why",
            "post",
            {
                "summary": "Weigh the words and the given labels that a label's score rests on.",
                "body": schema_of(WhyRequest),
                "gives": _object(
                    words=_list(_object(word=_STRING, weight=_NUMBER)),
                    labels=_list(_object(label=_STRING, weight=_NUMBER)),
                ),
            },
        ),
        *_assist(),
        ("/v1/model", "get", {"summary": "Describe the model, and the limits of a request.", "gives": _MODEL}),
        *_annif(project, limits),
        ("/healthz", "get", {"summary": "Whether the process lives.", "kind": "text/plain"}),
        ("/readyz", "get", {"summary": "Whether questions are answered.", "kind": "text/plain"}),
        ("/metrics", "get", {"summary": "Metrics for Prometheus.", "kind": "text/plain"}),
    ]


def _assist() -> list[tuple[str, str, dict[str, Any]]]:
    person = [_in_query("person", _STRING), _in_query("after", _STRING)]
    record = {**_object(id=_STRING, text=_STRING, labels=_list(_STRING)), "type": ["object", "null"]}
    done = {"summary": "The page: what was done.", "gives": _object(people=_list(_object()), recent=_list(_object()))}
    return [
        (
            "/assist/about",
            "get",
            {"summary": "The page: texts in the queue, if any.", "gives": _object(queue=_WHOLE, saves=_BOOLEAN)},
        ),
        (
            "/assist/next",
            "get",
            {
                "summary": "The page: a person's next text.",
                "parameters": person,
                "gives": _object(total=_WHOLE, done=_WHOLE, record=record),
            },
        ),
        (
            "/assist/answers",
            "post",
            {"summary": "The page: save an answer.", "body": schema_of(SaveRequest), "gives": _object(id=_STRING)},
        ),
        ("/assist/report", "get", done),
    ]


def _annif(project: list[Any], limits: list[Any]) -> list[tuple[str, str, dict[str, Any]]]:
    one = "/v1/projects/{project_id}"
    return [
        (
            "/v1/projects",
            "get",
            {"summary": "Annif's API: the one project.", "gives": _object(projects=_list(_PROJECT))},
        ),
        (one, "get", {"summary": "Annif's API: a project.", "parameters": project, "gives": _PROJECT}),
        (
            f"{one}/suggest",
            "post",
            {
                "summary": "Annif's API: label a text.",
                "parameters": project,
                "body": _FORM,
                "takes": "application/x-www-form-urlencoded",
                "gives": _SUGGESTED,
            },
        ),
        (
            f"{one}/suggest-batch",
            "post",
            {
                "summary": "Annif's API: label texts.",
                "parameters": project + limits,
                "body": _DOCUMENTS,
                "gives": _list(_SUGGESTED),
            },
        ),
        (f"{one}/learn", "post", {"summary": "Annif's API: always refused.", "parameters": project, "body": {}}),
    ]


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """Write a body's schema without names of its own."""
    return {key: value for key, value in form.model_json_schema().items() if key != "title"}


def _operation(
    summary: str,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    takes: str = "application/json",
    gives: dict[str, Any] | None = None,
    kind: str = "application/json",
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers = {
        "200": {"description": "The answer.", "content": {kind: {"schema": gives or _STRING}}},
        "default": {"description": "A problem.", "content": problem},
    }
    taken = {} if body is None else {"requestBody": {"required": True, "content": {takes: {"schema": body}}}}
    return {"summary": summary, "parameters": parameters or [], **taken, "responses": answers}


def _in_query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _STRING}
