import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gosynq_server.rest.bindings import contract_bindings
from gosynq_server.rest.comments import contract_comments
from gosynq_server.rest.descriptors import enum_names
from gosynq_server.rest.openapi import openapi_document

BINDINGS = contract_bindings()
DOCUMENT = openapi_document(BINDINGS)
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
TYPES = {"object", "array", "string", "integer", "number", "boolean"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from nodes(child)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for child in inner:
        if isinstance(child, dict):
            yield from schemas_in(child)


def test_the_document_has_the_parts_that_openapi_asks_for() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert set(DOCUMENT["info"]) >= {"title", "version"}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in SCHEMAS)
    assert all(set(one) <= set(DOCUMENT["components"]["securitySchemes"]) for one in DOCUMENT["security"])


def test_paths_are_distinct_even_without_their_variables_names() -> None:
    shapes = Counter(re.sub(r"\{[^}]*\}", "{}", path) for path in DOCUMENT["paths"])

    assert set(shapes.values()) == {1}
    assert all(path.startswith("/") for path in DOCUMENT["paths"])


def test_every_binding_is_an_operation_of_its_own() -> None:
    ids = [operation["operationId"] for _, method, operation in operations() if method in METHODS]

    assert len(ids) == len(set(ids)) == len(BINDINGS) + 1
    assert {"EnqueueJob", "CancelJob", "CancelJob2", "ReadHealth", "WatchEvents"} <= set(ids)


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()), ids=lambda value: str(value)[:60])
def test_an_operation_is_whole(path: str, method: str, operation: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    places = Counter((parameter["name"], parameter["in"]) for parameter in parameters)
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path" and parameter["required"]}

    assert in_path == set(re.findall(r"\{([^}]*)\}", path))
    assert all(count == 1 for count in places.values())
    assert all(parameter["schema"] for parameter in parameters)
    assert method in {"post", "patch"} or "requestBody" not in operation
    for status, response in operation["responses"].items():
        assert response["description"]
        assert ("content" in response) == (status != "204")
    assert all(re.fullmatch(r"[1-5]\d\d|default", status) for status in operation["responses"])
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert operation["summary"].endswith(".")
    assert "\n" not in operation["summary"]


def test_every_reference_leads_to_a_schema_and_every_schema_is_used() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert references == {f"#/components/schemas/{name}" for name in SCHEMAS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_has_known_types_and_requires_only_what_it_has(name: str) -> None:
    for schema in schemas_in(SCHEMAS[name]):
        assert "$ref" in schema or schema["type"] in TYPES
        assert schema.get("type") != "array" or "items" in schema
        assert set(schema.get("required", ())) <= set(schema.get("properties", {}))


def test_every_message_and_field_has_its_comment() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
        for field, shape in schema.get("properties", {}).items():
            assert shape.get("description") or name == "Error", f"{name}.{field}"


def test_the_enqueue_is_told_as_it_is() -> None:
    enqueue = DOCUMENT["paths"]["/api/v1/jobs"]["post"]
    spec = resolved(enqueue["requestBody"]["content"]["application/json"]["schema"])

    assert set(enqueue["responses"]) == {"200", "201", "default"}
    assert spec["required"] == ["queue"]
    assert spec["properties"]["payload"]["type"] == "object"
    assert spec["properties"]["labels"]["additionalProperties"] == {"type": "string"}
    assert resolved(spec["properties"]["priority"])["enum"] == ["unspecified", "low", "normal", "high", "critical"]
    assert [parameter["name"] for parameter in enqueue["parameters"]] == ["validate_only", "Idempotency-Key"]


def test_a_stream_is_told_in_both_of_its_forms() -> None:
    watch = DOCUMENT["paths"]["/api/v1/events:watch"]["get"]
    good = watch["responses"]["200"]["content"]
    places = {(parameter["name"], parameter["in"]) for parameter in watch["parameters"]}

    assert set(watch["responses"]) == {"200", "204", "default"}
    assert set(good) == {"application/x-ndjson", "text/event-stream"}
    line = good["application/x-ndjson"]["schema"]["properties"]
    assert resolved(line["result"])["properties"]["events"]["items"] == {"$ref": "#/components/schemas/JobEvent"}
    assert resolved(line["error"]) is SCHEMAS["Error"]
    assert places > {("types", "query"), ("cursor", "query"), ("Last-Event-ID", "header")}


def test_a_whole_body_leaves_out_what_the_path_brings() -> None:
    cancel = DOCUMENT["paths"]["/api/v1/jobs/{job_id}:cancel"]["post"]["requestBody"]
    lease = DOCUMENT["paths"]["/api/v1/jobs:lease"]["post"]["requestBody"]

    assert set(cancel["content"]["application/json"]["schema"]["properties"]) == {"reason", "force"}
    assert (cancel["required"], lease["required"]) == (False, True)


def test_templates_that_differ_by_name_only_share_a_path() -> None:
    assert set(DOCUMENT["paths"]["/api/v1/queues/{queue}"]) == {"get", "patch", "delete"}
    assert set(DOCUMENT["paths"]["/api/v1/schedules/{schedule_id}"]) == {"get", "patch", "delete"}


def test_comments_are_told_for_everything_the_contract_has() -> None:
    comments = contract_comments()

    for binding in BINDINGS:
        assert comments[binding.rpc.full_name]
        assert all(comments[field.full_name] for field in binding.rpc.input_type.fields)
    assert comments["gosynq.v1.JobStatus"].startswith("JobStatus is where a job is in its life.\n\nClients must")
    assert comments["gosynq.v1.JobStatus.JOB_STATUS_PENDING"].startswith("Waiting to be leased")


def test_short_enum_names_are_those_of_the_contract() -> None:
    hold = enum_names(BINDINGS[0].rpc.input_type.file.pool.FindEnumTypeByName("gosynq.v1.HoldType"))

    assert hold.short_of[3] == "queue_paused"
    assert hold.number_of["HOLD_TYPE_QUEUE_PAUSED"] == hold.number_of["queue_paused"] == 3
    assert not hold.offered.startswith("unspecified")
