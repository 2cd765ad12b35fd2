"""The OpenAPI 3.1 document, written from the table that the requests are routed by and from the contract's comments."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from gosynq_server.rest import event_ids, health, openapi_streams
from gosynq_server.rest.bindings import KEY_FIELD, SERVICES, compile_template
from gosynq_server.rest.comments import contract_comments
from gosynq_server.rest.descriptors import message_type
from gosynq_server.rest.openapi_schemas import ERROR_NAME, Schemas
from gosynq_server.rest.original import makes_job
from gosynq_server.rest.origins import RULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gosynq_server.rest.bindings import Binding

    Node = dict[str, Any]

_FIRST_SENTENCE: Final = re.compile(r".+?(\.(?=\s|$)|$)", re.DOTALL)

_FAILED: Final = {
    "description": "The call failed.",
    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ERROR_NAME}"}}},
}

_HEALTH: Final[Node] = {
    "operationId": "ReadHealth",
    "tags": ["Health"],
    "summary": "Says how the server and its services are.",
    "responses": {
        status: {
            "description": description,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["status", "services"],
                        "properties": {
                            "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
                            "services": {"type": "object", "additionalProperties": {"type": "string"}},
                        },
                    }
                }
            },
        }
        for status, description in (("200", "It serves."), ("503", "It does not."))
    },
}


def openapi_document(bindings: Sequence[Binding]) -> Node:
    """Return the document of the bindings' calls and of the health page."""
    comments = contract_comments()
    schemas = Schemas(comments)
    tags = [{"name": service.name, "description": comments[service.full_name]} for service in SERVICES]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GoSynq",
            "version": version("gosynq"),
            "description": RULE,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [*tags, {"name": "Health", "description": "How the server is."}],
        "security": [{}, {"bearer": []}],
        "paths": {health.PATH: {"get": _HEALTH}, **_paths(bindings, schemas, comments)},
        "components": {
            "schemas": schemas.named,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths(bindings: Sequence[Binding], schemas: Schemas, comments: Mapping[str, str]) -> Node:
    paths: Node = {}
    templates: dict[str, str] = {}
    for binding in bindings:
        # Templates that differ only in their variables' names are one path in OpenAPI: the first one's names hold.
        template = templates.setdefault(binding.pattern.pattern, binding.template.replace(".", "_"))
        operation = {
            **_description(binding, comments),
            "parameters": [*_path_parameters(binding, template, schemas), *_other_parameters(binding, schemas)],
            **_request_body(binding, schemas),
            "responses": _responses(binding, schemas, comments),
        }
        paths.setdefault(template, {})[binding.http_method.lower()] = operation
    return paths


def _description(binding: Binding, comments: Mapping[str, str]) -> Node:
    text = comments[binding.rpc.full_name]
    return {
        "operationId": binding.rpc.name + (str(binding.number) if binding.number > 1 else ""),
        "tags": [binding.rpc.containing_service.name],
        "summary": " ".join(_FIRST_SENTENCE.match(text)[0].split()),  # type: ignore[index] # a comment is never empty
        "description": text,
    }


def _path_parameters(binding: Binding, template: str, schemas: Schemas) -> Iterator[Node]:
    for name, path in zip(compile_template(template)[1], binding.variables, strict=True):
        *parents, last = path.split(".")
        message = binding.rpc.input_type
        for parent in parents:
            message = message_type(message, parent)
        yield _parameter(name, "path", schemas.field(message.fields_by_name[last])) | {"required": True}


def _other_parameters(binding: Binding, schemas: Schemas) -> Iterator[Node]:
    for name, field in binding.query.items():
        if name == field.name:
            yield _parameter(name, "query", schemas.field(field))
    if binding.takes_event_id:
        yield _parameter(event_ids.HEADER, "header", {"type": "string", "description": openapi_streams.RESUMING})
    if binding.takes_key:
        text = f"As the field {KEY_FIELD} of the body, and instead of it."
        yield _parameter("Idempotency-Key", "header", {"type": "string", "description": text})


def _parameter(name: str, place: str, schema: Node) -> Node:
    text = schema.pop("description")
    return {"name": name, "in": place, "description": text, "schema": schema}


def _request_body(binding: Binding, schemas: Schemas) -> Node:
    if not binding.body:
        return {}
    request = binding.rpc.input_type
    if binding.body_field:
        schema = schemas.message(message_type(request, binding.body_field))
    else:
        schema = schemas.fields(field for field in request.fields if field.name not in binding.variables)
    required = bool(binding.body_field or schema.get("required"))
    return {"requestBody": {"required": required, "content": _json(schema)}}


def _responses(binding: Binding, schemas: Schemas, comments: Mapping[str, str]) -> Node:
    shown = message_type(binding.rpc.output_type, binding.response_body)
    content = openapi_streams.content if binding.rpc.server_streaming else _json
    good = {"description": comments[shown.full_name], "content": content(schemas.message(shown))}
    if binding.takes_event_id:
        return {"200": good, "204": {"description": openapi_streams.OVER}, "default": _FAILED}
    statuses = ("200", "201") if makes_job(binding.response) else ("200",)
    return {**dict.fromkeys(statuses, good), "default": _FAILED}


def _json(schema: Node) -> Node:
    return {"application/json": {"schema": schema}}
