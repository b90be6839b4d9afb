"""What a phone prints about itself, as phones print it."""

from __future__ import annotations

from mnas_moo.objectives.phone import device
from mnas_moo.objectives.phone.adb import Server
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

PIXEL_6 = "\n".join(
    [
        "model=Pixel 6",
        "manufacturer=Google",
        "android=14",
        "abis=arm64-v8a,armeabi-v7a,armeabi",
        "abi=arm64-v8a",
        "soc=Tensor",
        "board=gs101",
        "boot=0f6c",
        *(f"core={core} 1803000 300000 sched_pixel" for core in range(4)),
        *(f"core={core} 2253000 400000 sched_pixel" for core in (4, 5)),
        *(f"core={core} 2802000 500000 sched_pixel" for core in (6, 7)),
        "zone=41000",
        "zone=-40000",
        "zone=47500",
        "  AC powered: false",
        "  USB powered: true",
        "  level: 83",
        "  temperature: 284",
        "  mWakefulness=Dozing",
    ]
)


def test_pixel_is_read() -> None:
    state = device.parse(PIXEL_6)
    assert (state.model, state.manufacturer, state.android, state.soc) == ("Pixel 6", "Google", "14", "Tensor")
    assert state.abis == ("arm64-v8a", "armeabi-v7a", "armeabi")
    assert (state.battery_c, state.cpu_c, state.temperature_c) == (28.4, 47.5, 28.4)
    assert (state.battery_percent, state.charging, state.awake) == (83, True, False)


def test_big_cores_have_the_highest_frequency() -> None:
    state = device.parse(PIXEL_6)
    assert state.big_cores == (6, 7)
    assert [state.timing_cores(threads) for threads in (1, 2, 3)] == [(7,), (6, 7), (5, 6, 7)]
    assert device.mask(state.timing_cores(1)) == "80"
    assert state.governor((6, 7)) == "sched_pixel"


def test_cores_without_frequencies_are_not_pinned() -> None:
    assert device.parse("core=0 - - -\ncore=1 - - -\n").timing_cores(1) == ()


def test_board_without_battery_has_the_heat_of_its_cpu() -> None:
    assert device.parse("zone=52\nzone=0\n").temperature_c == 52


def test_old_android_names_its_soc_by_board_and_has_one_abi() -> None:
    state = device.parse("soc=\nboard=msm8998\nabis=\nabi=arm64-v8a\n")
    assert (state.soc, state.abis) == ("msm8998", ("arm64-v8a",))


def test_nothing_is_made_up() -> None:
    state = device.parse("sh: dumpsys: inaccessible or not found\ncore=x\nzone=\n  temperature: ?\n")
    assert state == device.State()
    assert state.temperature_c is None


def test_scripts_are_understood_by_a_phone(phones: VirtualPhones) -> None:
    phone = Server().phone(phones[0].serial)
    output = phone.run(device.identity_script(), 10.0)
    state = device.parse(output.stdout)
    assert output.stderr == ""
    assert (state.model, state.android, state.big_cores) == ("Pixel 6", "14", (7,)) or state.big_cores == (6, 7)
    assert state.battery_c == 27.0
    assert state.charging is True
    assert state.awake is False
    phones[0].fault("screen_on")
    condition = device.parse(phone.run(device.condition_script(), 10.0).stdout)
    assert condition.awake is True
    assert condition.boot == state.boot
