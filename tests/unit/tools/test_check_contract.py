"""The comparison of the contract with the last release's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from tools import check_contract
from tools.check_contract import BASELINE, changed_options


def release() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(BASELINE.read_bytes())


def file_of(image: FileDescriptorSet, name: str) -> FileDescriptorProto:
    return next(file for file in image.file if file.name == name)


def message_of(image: FileDescriptorSet, file: str, name: str) -> DescriptorProto:
    return next(message for message in file_of(image, file).message_type if message.name == name)


def drop_a_route(image: FileDescriptorSet) -> str:
    service = file_of(image, "gosynq/v1/job_service.proto").service[0]
    service.method[0].ClearField("options")
    return f"gosynq.v1.JobService.{service.method[0].name}"


def drop_a_rule(image: FileDescriptorSet) -> str:
    message = message_of(image, "gosynq/v1/job.proto", "JobSpec")
    field = next(field for field in message.field if field.options.ByteSize())
    field.ClearField("options")
    return f"gosynq.v1.JobSpec.{field.name}"


def test_an_unchanged_contract_is_no_change() -> None:
    assert changed_options(release(), release()) == []


@pytest.mark.parametrize("change", [drop_a_route, drop_a_rule])
def test_a_changed_route_or_rule_is_named(change: Callable[[FileDescriptorSet], str]) -> None:
    contract = release()
    name = change(contract)
    assert changed_options(release(), contract) == [name]


def test_something_new_is_no_change() -> None:
    contract = release()
    file_of(contract, "gosynq/v1/job.proto").message_type.add(name="Novelty")
    assert changed_options(release(), contract) == []


def test_a_field_of_another_type_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    contract = release()
    field = message_of(contract, "gosynq/v1/job.proto", "Job").field[0]
    field.type = field.TYPE_BYTES
    changed = tmp_path / "contract.binpb"
    changed.write_bytes(contract.SerializeToString())
    monkeypatch.setattr(check_contract, "CONTRACT", changed)
    assert check_contract.main() == 1
    assert "changed type" in capfd.readouterr().out


def test_the_real_contract_breaks_no_client_of_the_last_release() -> None:
    assert check_contract.main() == 0
