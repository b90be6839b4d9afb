from __future__ import annotations

import json
import time

import pytest

from mnas_moo.cli.main import main
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.phone.test_published import Site, elf
from tests.objectives.phone.test_published import site as site


def test_devices_are_shown_with_what_keeps_them_from_measuring(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    phones[1].fault("unauthorized", times=None)
    while "unauthorized" not in phones.server.run("devices").stdout:  # adb takes it for offline at first
        time.sleep(0.05)
    assert main(["devices"]) == 0
    out = capsys.readouterr().out
    assert f"Pixel 6, virtual ({phones[0].serial}): not ready" in out
    assert "no benchmark_model on it" in out
    assert "arm64-v8a" in out
    assert f"({phones[1].serial}): unauthorized" in out
    assert "confirm the dialog" in out
    assert main(["devices", "--benchmark-model", str(phones.benchmark_model), "--json"]) == 0
    first, second = sorted(json.loads(capsys.readouterr().out), key=lambda phone: not phone["usable"])
    assert (first["model"], first["usable"], second["usable"]) == ("Pixel 6", True, False)


def test_a_program_for_phones_that_is_not_there_is_one_line(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--benchmark-model", "no such; $(file)"]) == 2
    assert capsys.readouterr().err.startswith("mnas-moo: benchmark_model is 'no such; $(file)', which cannot be read")


def tidy(phones: VirtualPhones) -> None:
    for phone in phones:
        for path in (phone.root / "data/local/tmp").iterdir():
            path.unlink()


def test_published_program_is_put_on_every_phone_and_said(
    phones: VirtualPhones, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.content = elf() + b"========== BENCHMARK RESULTS =========="
    assert main(["devices", "--install", "2.1.6", "--mirror", f"{site.address}/litert"]) == 0
    out, error = capsys.readouterr()
    assert site.asked == ["/litert/2.1.6/android_arm64/benchmark_model"]  # once for all phones
    assert error.count("LiteRT benchmark_model 2.1.6, ") == len(phones)
    assert error.count(f"fetched from {site.address}/litert/2.1.6/") == 1
    assert out.count("benchmark_model: LiteRT benchmark_model 2.1.6 is on it") == len(phones)
    assert out.count("Pixel 6, virtual (") == len(phones)
    assert all((phone.root / "data/local/tmp/benchmark_model").read_bytes() == site.content for phone in phones)
    tidy(phones)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Sign in</html>", "answered with a web page"),
        (elf()[:99], "bytes of a program that has at least"),
        (elf(40), "is built for armeabi-v7a, but the phone runs arm64-v8a"),
    ],
)
def test_what_is_no_program_for_the_phone_reaches_none(
    phones: VirtualPhones, site: Site, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    site.content = content
    assert main(["devices", "--install", "--mirror", site.address]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(phones)
    assert all("benchmark_model was not installed: " in line and message in line for line in lines)
    assert not any(event.kind == "push" for phone in phones for event in phone.log)


def test_user_s_own_program_is_installed_without_a_network(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(phones.programs["tflite"])
    assert main(["devices", "--install", "--benchmark-model", file, "--json"]) == 0
    out, error = capsys.readouterr()
    assert f"TensorFlow Lite benchmark_model, the file {file}, sha256 " in error
    assert {(phone["benchmark_model"], phone["virtual"]) for phone in json.loads(out)} == {
        ("TensorFlow Lite benchmark_model", True)
    }
    tidy(phones)


def test_program_is_not_replaced_while_a_study_measures(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = phones[0].root / "data/local/tmp/mnas_moo"
    folder.mkdir()
    boot = (phones[0].root / "proc/sys/kernel/random/boot_id").read_text().strip()
    (folder / "lock").write_text(f"other {boot} 999999999\n")
    assert main(["devices", "--install", "--benchmark-model", str(phones.benchmark_model)]) == 2
    assert f"({phones[0].serial}): benchmark_model was not installed: a study measures on it" in capsys.readouterr().err
    (folder / "lock").unlink()
    folder.rmdir()
    assert phones[0].files() == []
    tidy(phones)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mirror", "https://a"], "--mirror has a meaning with --install only"),
        (["--program", "tflite"], "--program has a meaning with --virtual only"),
        (["--install", "--virtual", "1"], "exclude each other"),
        (["--install", "latest"], "version is 'latest'"),
        (["--install", "--mirror", "file:///etc"], "mirror is no address of the form"),
        (["--install", "2.2.0", "--benchmark-model", __file__], "neither --install VERSION nor --mirror"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["devices", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
