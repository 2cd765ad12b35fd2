"""Tokens, deadlines and TLS, over a real connection."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from gosynq.v1 import admin_service_pb2, job_pb2, job_service_pb2
from gosynq_client import Client, ClientOptions, DeadlineExceeded, TlsOptions, TokenInTheOpen, Unavailable
from tests.contract.client.scripted import Script, new_server

INFO = admin_service_pb2.GetServerInfoResponse(version="1.2")
TOKEN = "s3cret"

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program makes the certificates")


async def test_a_token_goes_with_every_call(script: Script, target: str) -> None:
    script.answer("GetServerInfo", INFO)
    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse(status=job_pb2.JOB_STATUS_PENDING))

    async with Client(target, ClientOptions(token=TOKEN)) as client:
        await client.server_info()
        await client.enqueue("send_email", idempotency_key="")

    for method in ("GetServerInfo", "EnqueueJob"):
        assert script.received[method][0].metadata["authorization"] == "Bearer s3cret"


async def test_without_a_token_nothing_is_shown(script: Script, client: Client) -> None:
    script.answer("GetServerInfo", INFO)

    await client.server_info()

    assert "authorization" not in script.received["GetServerInfo"][0].metadata


async def test_a_token_is_not_sent_to_another_machine_in_the_open() -> None:
    with pytest.raises(TokenInTheOpen, match=r"refusing to send a token to jobs\.example\.org:50051 without TLS"):
        Client("jobs.example.org:50051", ClientOptions(token=TOKEN))


async def test_a_token_may_be_let_into_the_open() -> None:
    await Client("jobs.example.org:50051", ClientOptions(token=TOKEN, token_without_tls=True)).close()


async def test_a_call_has_five_seconds_unless_the_options_say_otherwise(script: Script, target: str) -> None:
    script.answer("GetServerInfo", INFO, INFO)

    async with Client(target) as client:
        await client.server_info()
    async with Client(target, ClientOptions(call_timeout=timedelta(minutes=1))) as client:
        await client.server_info()

    usual, chosen = (call.seconds for call in script.received["GetServerInfo"])
    assert usual == pytest.approx(5, abs=0.5)
    assert chosen == pytest.approx(60, abs=0.5)


async def test_an_answer_that_does_not_come_in_time_is_an_error(script: Script, target: str) -> None:
    script.hangs.add("GetServerInfo")

    async with Client(target, ClientOptions(call_timeout=timedelta(milliseconds=100))) as client:
        with pytest.raises(DeadlineExceeded) as caught:
            await client.server_info()

    assert isinstance(caught.value, TimeoutError)


async def test_a_machine_without_a_server_is_an_error() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            await client.server_info()


async def test_a_channel_option_overrides_the_clients_own(script: Script, target: str) -> None:
    script.answer("GetServerInfo", INFO)
    options = ClientOptions(channel_options=(("grpc.primary_user_agent", "mine"), ("grpc.enable_retries", 0)))

    async with Client(target, options) as client:
        await client.server_info()

    assert str(script.received["GetServerInfo"][0].metadata["user-agent"]).startswith("mine ")


async def test_a_proxy_of_the_environment_does_not_get_what_is_meant_for_this_machine(
    script: Script, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    script.answer("GetServerInfo", INFO)

    async with Client(target) as client:
        assert (await client.server_info()).version == "1.2"


@pytest.mark.parametrize("health_checked", [False, True])
async def test_a_server_that_is_not_serving_is_left_only_where_health_is_checked(
    script: Script, *, health_checked: bool
) -> None:
    script.answer("GetServerInfo", INFO)
    server = new_server(script)
    states = health.aio.HealthServicer()
    add_HealthServicer_to_server(states, server)
    await states.set("gosynq.v1.JobService", HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async with Client(f"127.0.0.1:{port}", ClientOptions(health_checked=health_checked)) as client:
        with pytest.raises(Unavailable) if health_checked else nullcontext():
            await client.server_info()

    await server.stop(None)
    assert bool(script.requests("GetServerInfo")) is not health_checked


async def test_closing_twice_is_harmless(target: str) -> None:
    client = Client(target)
    await client.close()
    await client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-keyout", str(key), "-out", str(certificate), *subject],
        check=True,
        capture_output=True,
        timeout=15,
    )
    return key, certificate


@pytest.fixture(params=[False, True], ids=["server certificate", "both certificates"])
async def tls_target(
    request: pytest.FixtureRequest, script: Script, certificate: tuple[Path, Path]
) -> AsyncIterator[str]:
    key, chain = (path.read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, chain)], chain if request.param else None, request.param)
    server = new_server(script)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@openssl
async def test_a_token_travels_over_tls_by_certificates_from_files(
    script: Script, tls_target: str, certificate: tuple[Path, Path]
) -> None:
    key, chain = certificate
    script.answer("GetServerInfo", INFO)

    async with Client(tls_target, ClientOptions(token=TOKEN, tls=TlsOptions(ca=chain, cert=chain, key=key))) as client:
        assert (await client.server_info()).version == "1.2"

    assert script.received["GetServerInfo"][0].metadata["authorization"] == "Bearer s3cret"


@openssl
async def test_certificates_may_be_given_as_bytes(
    script: Script, tls_target: str, certificate: tuple[Path, Path]
) -> None:
    key, chain = (path.read_bytes() for path in certificate)
    script.answer("GetServerInfo", INFO)

    async with Client(tls_target, ClientOptions(tls=TlsOptions(ca=chain, cert=chain, key=key))) as client:
        assert (await client.server_info()).version == "1.2"


@openssl
async def test_a_server_that_nobody_vouches_for_is_not_talked_to(script: Script, tls_target: str) -> None:
    async with Client(tls_target, ClientOptions(tls=TlsOptions())) as client:
        with pytest.raises(Unavailable):
            await client.server_info()

    assert not script.received["GetServerInfo"]
