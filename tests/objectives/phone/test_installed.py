"""Which benchmark_model lies on a phone, as a virtual phone's own shell tells, and how one gets there."""

from __future__ import annotations

import hashlib

import pytest

from mnas_moo.objectives.phone import installed
from mnas_moo.objectives.phone.adb import Phone, PhoneError, Server, UnusableError
from mnas_moo.objectives.phone.benchmark_model import PLACE
from mnas_moo.objectives.phone.installed import Installed
from mnas_moo.objectives.virtual_phone.benchmark import Program
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones


def look(phone: Phone) -> Installed | None:
    return installed.read(phone.run(installed.script(), 10.0).stdout)


def tidy(phone: Phone) -> None:
    phone.remove([PLACE, installed.VERSION_PLACE, f"{PLACE}.part"], 10.0)


@pytest.fixture
def phone(phones: VirtualPhones) -> Phone:
    return Server().phone(phones[0].serial)


def test_phone_without_a_program_has_none(phone: Phone) -> None:
    assert look(phone) is None


@pytest.mark.parametrize(("kind", "maker"), [("litert", "LiteRT"), ("tflite", "TensorFlow Lite")])
def test_program_is_told_by_the_words_of_its_summary(
    phone: Phone, phones: VirtualPhones, kind: Program, maker: str
) -> None:
    content = phones.programs[kind].read_bytes()
    installed.put(phone, content, "")
    expected = Installed(hashlib.sha256(content).hexdigest(), maker)
    assert look(phone) == installed.of_content(content) == expected
    assert expected.words == f"{maker} benchmark_model"
    tidy(phone)


def test_version_holds_for_the_file_it_was_written_for(phone: Phone, phones: VirtualPhones) -> None:
    installed.put(phone, phones.benchmark_model.read_bytes(), "2.2.0")
    found = look(phone)
    assert found is not None
    assert found.words == "LiteRT benchmark_model 2.2.0"
    phone.push(b"another \x00 program", PLACE, 0o755, 10.0)
    assert look(phone) == Installed(hashlib.sha256(b"another \x00 program").hexdigest())
    tidy(phone)


def test_own_program_takes_the_place_and_the_version_of_another(phone: Phone, phones: VirtualPhones) -> None:
    content = phones.benchmark_model.read_bytes()
    installed.put(phone, content, "2.2.0")
    installed.put(phone, content, "")
    assert look(phone) == installed.of_content(content)
    assert phones[0].files() == ["benchmark_model"]
    assert phones[0].root.joinpath(PLACE.lstrip("/")).stat().st_mode & 0o777 == 0o755
    tidy(phone)


@pytest.mark.parametrize("fault", ["disk_full", "permission_denied"])
def test_refused_file_leaves_the_program_that_was_there(phone: Phone, phones: VirtualPhones, fault: str) -> None:
    content = phones.benchmark_model.read_bytes()
    installed.put(phone, content, "2.1.6")
    phones[0].fault(fault)
    with pytest.raises(PhoneError) as caught:
        installed.put(phone, b"other", "2.2.0")
    assert isinstance(caught.value, UnusableError) == (fault == "permission_denied")
    phones[0].clear()
    found = look(phone)
    assert found is not None
    assert (found.digest, found.version) == (hashlib.sha256(content).hexdigest(), "2.1.6")
    tidy(phone)


def test_answer_without_a_checksum_is_a_program_without_one() -> None:
    assert installed.read("@mnas_moo program\n@mnas_moo maker\n@mnas_moo version 2.2.0\n") == Installed()
