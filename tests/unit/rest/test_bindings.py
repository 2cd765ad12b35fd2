import pytest
from google.protobuf.descriptor import Descriptor

from gosynq_server.rest.bindings import SERVICES, Binding, RouteTable, compile_template, contract_bindings
from gosynq_server.rest.refusals import MethodNotAllowed, PathUnknown

TABLE = RouteTable(contract_bindings())
VALUES = {
    "job_id": "0190-ab",
    "queue": "high",
    "queue.name": "high",
    "schedule_id": "nightly",
    "schedule.id": "nightly",
}


def filled(template: str) -> str:
    for name in (*VALUES, "worker_id"):
        template = template.replace("{" + name + "}", VALUES.get(name, "host@1"))
    return template


@pytest.mark.parametrize("binding", TABLE.bindings, ids=lambda binding: f"{binding.http_method} {binding.template}")
def test_every_binding_is_found_by_its_own_path_with_its_variables(binding: Binding) -> None:
    found, variables = TABLE.find(binding.http_method, filled(binding.template))

    assert found is binding
    assert variables == {name: VALUES.get(name, "host@1") for name in binding.variables}


def test_every_rpc_has_a_binding_but_those_whose_caller_streams() -> None:
    served = {rpc.full_name for service in SERVICES for rpc in service.methods if not rpc.client_streaming}

    assert {binding.rpc.full_name for binding in TABLE.bindings} == served
    assert len(SERVICES) == 6


def test_every_path_variable_is_a_string_field() -> None:
    for binding in TABLE.bindings:
        for path in binding.variables:
            *parents, name = path.split(".")
            message: Descriptor | None = binding.rpc.input_type
            for parent in parents:
                assert message is not None
                message = message.fields_by_name[parent].message_type
            assert message is not None
            field = message.fields_by_name[name]
            assert field.type == field.TYPE_STRING


@pytest.mark.parametrize(
    ("method", "path", "rpc"),
    [
        ("GET", "/api/v1/jobs/a:wait", "WaitJob"),
        ("GET", "/api/v1/events:watch", "WatchEvents"),
        ("GET", "/api/v1/events", "ListEvents"),
        ("GET", "/api/v1/jobs/a", "GetJob"),
        ("GET", "/api/v1/jobs", "ListJobs"),
        ("POST", "/api/v1/jobs:batchEnqueue", "BatchEnqueueJobs"),
        ("POST", "/api/v1/admin/jobs/a/cancel", "CancelJob"),
        ("PATCH", "/api/v1/queues/high", "UpdateQueue"),
    ],
)
def test_a_verb_after_the_colon_is_part_of_the_path(method: str, path: str, rpc: str) -> None:
    assert TABLE.find(method, path)[0].rpc.name == rpc


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/job",
        "/api/v1/jobs/",
        "/api/v1/jobs/a:",
        "/api/v1/jobs/a:unknown",
        "/api/v1/jobs/:wait",
        "/api/v1/jobs/a:wait:wait",
        "/api/v1/jobs/a/b/c",
        "/api/v1/jobs/a:Wait",
        "/api/v1/events:Watch",
    ],
)
def test_another_path_is_unknown(path: str) -> None:
    with pytest.raises(PathUnknown, match="no such path: "):
        TABLE.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/jobs", "GET, POST"),
        ("PATCH", "/api/v1/jobs/a", "DELETE, GET"),
        ("GET", "/api/v1/jobs/a:cancel", "POST"),
        ("POST", "/api/v1/queues/high", "DELETE, GET, PATCH"),
    ],
)
def test_another_method_is_refused_with_those_that_are_possible(method: str, path: str, allowed: str) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        TABLE.find(method, path)

    assert refused.value.headers() == {"allow": allowed}


@pytest.mark.parametrize("template", ["/api/{name=jobs/*}", "/api/**", "/api/{}"])
def test_a_template_beyond_plain_variables_is_refused_at_start(template: str) -> None:
    with pytest.raises(ValueError, match="only plain variables are served"):
        compile_template(template)


def test_query_parameters_are_what_neither_path_nor_body_brings() -> None:
    query = {binding.rpc.name: set(binding.query) for binding in TABLE.bindings}

    assert query["EnqueueJob"] == {"validate_only", "validateOnly"}
    assert query["GetJob"] == {"view"}
    assert query["UpdateQueue"] == {"update_mask", "updateMask", "allow_missing", "allowMissing"}
    assert query["CancelJob"] == set()
    assert {"limit", "page_size", "pageSize", "status"} <= query["ListJobs"]
    assert "limit" not in query["ListQueues"]


def test_the_calls_that_take_an_idempotency_key_are_those_with_a_field_for_it() -> None:
    assert {binding.rpc.name for binding in TABLE.bindings if binding.takes_key} == {"EnqueueJob", "TriggerSchedule"}


def test_the_streams_that_go_on_from_an_event_id_are_those_with_a_cursor_to_begin_at() -> None:
    assert {binding.rpc.name for binding in TABLE.bindings if binding.takes_event_id} == {"WatchEvents"}
