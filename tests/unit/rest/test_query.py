import pytest

from gosynq_server.rest.bindings import contract_bindings
from gosynq_server.rest.query import query_tree
from gosynq_server.rest.refusals import FieldInvalid

QUERIES = {binding.rpc.name: binding.query for binding in contract_bindings()}


@pytest.mark.parametrize(
    ("rpc", "query", "tree"),
    [
        ("ListJobs", "", {}),
        ("ListJobs", "status=pending&status=failed", {"status": ["pending", "failed"]}),
        ("ListJobs", "status=pending,failed&queue=high", {"status": ["pending", "failed"], "queue": ["high"]}),
        ("ListJobs", "status=1,4", {"status": [1, 4]}),
        ("ListJobs", "limit=5", {"page_size": "5"}),
        ("ListJobs", "pageSize=5", {"page_size": "5"}),
        ("ListJobs", "status=&queue=&limit=", {}),
        ("ListJobs", "filter=status+%3D+%22a,b%22", {"filter": 'status = "a,b"'}),
        ("ListEvents", "labels=a%3Db,c&labels=d=e%2Cf", {"labels": ["a=b,c", "d=e,f"]}),
        ("GetJob", "view=full", {"view": "full"}),
        ("GetJob", "view=2", {"view": 2}),
        ("WaitJob", "timeout=1.5s", {"timeout": "1.5s"}),
        ("DeleteJob", "force=true&allow_missing=false", {"force": True, "allow_missing": False}),
        ("DeleteJob", "force=1", {"force": "1"}),
        ("DeleteJob", "force", {"force": ""}),
    ],
)
def test_a_query_becomes_the_object_that_a_body_would_be(rpc: str, query: str, tree: dict[str, object]) -> None:
    assert query_tree(QUERIES[rpc], query) == tree


@pytest.mark.parametrize(
    ("rpc", "query", "problem"),
    [
        ("ListJobs", "state=pending", "state: is not a query parameter here"),
        ("GetJob", "job_id=b", "job_id: is not a query parameter here"),
        ("CancelJob", "force=true", "force: is not a query parameter here"),
        ("ListJobs", "limit=5&page_size=5", "page_size: is given twice"),
        ("ListJobs", "filter=%FF", "the query: is not UTF-8"),
    ],
)
def test_another_query_is_refused(rpc: str, query: str, problem: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        query_tree(QUERIES[rpc], query)

    assert str(refused.value) == problem
