"""Outputs of benchmark_model as its builds of several years print them, and what is none."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from mnas_moo.objectives.phone import benchmark_model
from mnas_moo.objectives.phone.benchmark_model import BenchmarkError, parse

# Lines as users of the tool have published them: TensorFlow of 2019, 2021 and 2025.
OF_2018 = """\
Initialized session in 3.33ms
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=214 first=12231 curr=2106 min=2065 max=12231 avg=2331.42 std=746

Running benchmark for at least 100 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=459 first=2143 curr=2101 min=2056 max=2656 avg=2177.1 std=124

Average inference timings in us: Warmup: 2331.42, Init: 896, no stats: 2177.1
"""
OF_2019 = """\
count=1 curr=91471
count=50 first=79449 curr=81350 min=77385 max=88213 avg=79760.9 std=1929

Average inference timings in us: Warmup: 91471, Init: 4108, Inference: 79760.9
"""
OF_2021 = """\
STARTING!
Log parameter values verbosely: [0]
INFO: Initialized TensorFlow Lite runtime.
count=2 first=339304 curr=266325 min=266325 max=339304 avg=302814 std=36489

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=266601 curr=266931 min=265837 max=268116 avg=266473 std=419

Inference timings in us: Init: 20283, First inference: 339304, Warmup (avg): 302814, Inference (avg): 266473
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory
"""
OF_2025 = """\
INFO: count=9 first=87112 curr=57785 min=52088 max=87112 avg=58147.4 std=9716 p5=52088 median=54891 p95=87112

INFO: count=1000 first=52162 curr=49785 min=49088 max=686105 avg=63743.2 std=60716 p5=49620 median=51891 p95=68628

INFO: Inference timings in us: Init: 119515, First inference: 87112, Warmup (avg): 58147.4, Inference (avg): 63743.2
INFO: Memory footprint delta from the start of the tool (MB): init=7.25 overall=16.1
"""
# In the form of LiteRT's own program; the figures are made up.
OF_LITERT = """\
INFO: [benchmark_litert_model.cc:210] Loading model from: /data/local/tmp/m.tflite
INFO: [litert_benchmark.cc:98] Running benchmark for at least 1 iterations and at least 0.5 seconds.
INFO: count=191 first=2170 curr=1610 min=1580 max=2170 avg=1647.31 std=70 p5=1592 median=1640 p95=1702

INFO: count=477 first=1612 curr=1603 min=1492 max=2203 avg=1613.62 std=123 p5=1540 median=1604 p95=1711

INFO: [benchmark_litert_model.h:88]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:94] Model initialization: 27.83 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       2.17 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         1.65 ms (191 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      1.61 ms (477 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      1.49 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      2.20 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      0.12
INFO: [benchmark_litert_model.h:115] Throughput:           357.00 MB/s
INFO: [benchmark_litert_model.h:124]
Memory Usage:
INFO: [benchmark_litert_model.h:127] Init footprint:       7.25 MB
INFO: [benchmark_litert_model.h:139] ======================================
"""


@pytest.mark.parametrize(
    ("output", "runs", "mean", "median"),
    [
        (OF_2018, 459, 2.1771, None),
        (OF_2019, 50, 79.7609, None),
        (OF_2021, 50, 266.473, None),
        (OF_2025, 1000, 63.7432, 51.891),
        (OF_LITERT, 477, 1.61362, 1.604),
    ],
    ids=["2018", "2019", "2021", "2025", "LiteRT"],
)
def test_output_of_every_age_is_read(output: str, runs: int, mean: float, median: float | None) -> None:
    timing = parse(output)
    assert (timing.runs, timing.mean_ms, timing.median_ms) == (runs, pytest.approx(mean), median)
    assert timing.milliseconds == pytest.approx(mean if median is None else median)


def test_all_figures_are_in_milliseconds() -> None:
    timing = parse(OF_2025)
    figures = (timing.minimum_ms, timing.maximum_ms, timing.deviation_ms, timing.p5_ms, timing.p95_ms)
    assert figures == pytest.approx((49.088, 686.105, 60.716, 49.62, 68.628))


SIGNATURE = "INFO: [benchmark_litert_model.h:92] Signature name:       serving_default\n"
MEMORY = """\
INFO: [benchmark_litert_model.h:124] \nMemory Usage:
INFO: [benchmark_litert_model.h:125] Init footprint:       7.25 MB
INFO: [benchmark_litert_model.h:127] Overall footprint:    16.10 MB
INFO: [benchmark_litert_model.h:132] Peak memory usage not available. (peak_mem_mb <= 0)
"""


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?=INFO: .*Model initialization)", SIGNATURE),
        (r"INFO: \[benchmark_litert_model.h:124\]\nMemory Usage:\n.*\n", ""),
        (r"INFO: \[benchmark_litert_model.h:124\]\nMemory Usage:\n.*\n", MEMORY),
        (r"Throughput: .*", "No throughput data available (throughput <= 0)."),
        (r"benchmark_litert_model.h:\d+\] ?", "benchmark_litert_model.h:7] "),
        (r"INFO: \[benchmark_litert_model.h:\d+\] ?", ""),
        (r"\Z", "\nINFO: [benchmark_litert_model.h:170] Saved benchmark result to: /data/local/tmp/r.pb\n"),
    ],
    ids=["signature", "no memory", "all memory", "no throughput", "other lines", "no lines", "result file"],
)
def test_builds_of_litert_that_print_more_or_less_are_read_alike(pattern: str, text: str) -> None:
    changed = re.sub(pattern, lambda match: text, OF_LITERT)
    assert changed != OF_LITERT
    assert dataclasses.replace(parse(changed), memory_mb=None, memory_init_mb=None) == parse(OF_LITERT)


def test_memory_is_what_both_programs_call_the_overall_footprint_in_bytes_of_ten() -> None:
    litert = parse(OF_LITERT.replace("INFO: [benchmark_litert_model.h:139]", MEMORY + "INFO: [h:139]"))
    for timing in (parse(OF_2025), litert):
        assert timing.memory_mb == pytest.approx(16.1 * 1.048576)
        assert timing.memory_init_mb == pytest.approx(7.25 * 1.048576)


@pytest.mark.parametrize("printed", ["overall=-3", "overall=0", "overall=nan", "overall=", "overall=16.1 17"])
def test_memory_that_makes_no_sense_is_none_and_the_time_stands(printed: str) -> None:
    timing = parse(OF_2025.replace("overall=16.1", printed))
    assert timing.memory_mb is timing.memory_init_mb is None
    assert timing.median_ms == parse(OF_2025).median_ms
    assert parse(OF_2019).memory_mb is None


@pytest.mark.parametrize("output", [OF_2025, OF_LITERT], ids=["2025", "LiteRT"])
def test_logcat_and_level_before_a_line_do_not_matter(output: str) -> None:
    logcat = "\n".join(f"11-21 17:00:00.000  4242  4242 I tflite  : {line}" for line in output.splitlines())
    assert parse(logcat) == parse(output)


def test_statistics_of_a_profile_are_not_those_of_the_runs() -> None:
    profile = "Timings (microseconds): count=50 first=1 curr=1 min=1 max=1 avg=1 std=0\nMemory (bytes): count=0\n"
    head, summary = OF_2019.rsplit("Average", 1)
    assert parse(f"{head}{profile}Average{summary}") == parse(OF_2019)


def test_numbers_with_exponents_are_read() -> None:
    large = (
        "count=5 first=1.2e+06 curr=1.2e+06 min=1.1e+06 max=1.3e+06 avg=1.2e+06 std=50000\n"
        "Inference timings in us: Init: 1e+06, First inference: 1200000, Warmup (avg): 1.2e+06,"
        " Inference (avg): 1.2e+06\n"
    )
    assert parse(large).mean_ms == pytest.approx(1200)


@pytest.mark.parametrize("line", ["count=1 curr=700", "count=3 curr=700(all same) p5=700 median=700 p95=700"])
def test_equal_runs_have_one_figure(line: str) -> None:
    timing = parse(
        f"{line}\nInference timings in us: Init: 1, First inference: 7, Warmup (avg): 7, Inference (avg): 700\n"
    )
    assert (timing.minimum_ms, timing.mean_ms, timing.maximum_ms, timing.deviation_ms) == (0.7, 0.7, 0.7, 0.0)


@pytest.mark.parametrize("output", [OF_2018, OF_2019, OF_2021, OF_2025], ids=["2018", "2019", "2021", "2025"])
def test_output_cut_anywhere_is_never_read_as_another_time(output: str) -> None:
    end = max(output.rfind(f"{key} ") for key in ("(avg):", "Inference:", "stats:")) + 8
    whole = parse(output)
    for length in range(end):
        try:
            timing = parse(output[:length])
        except BenchmarkError:
            continue
        assert math.isclose(timing.milliseconds, whole.milliseconds, rel_tol=2e-4)


def test_output_of_litert_is_read_only_with_its_last_line() -> None:
    whole = parse(OF_LITERT)
    for length in range(len(OF_LITERT)):
        try:
            timing = parse(OF_LITERT[:length])
        except BenchmarkError:
            continue
        assert length > OF_LITERT.index("139]")
        assert timing == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1.61 ms (477", "1.71 ms (477"), "contradicts itself"),
        (("(477 runs)", "(47 runs)"), "contradicts itself"),
        (("(min):      1.49", "(min):      1.39"), "contradicts itself"),
        (("(max):      2.20 ms", "(max):      22.0 ms"), "contradicts itself"),
        (("(avg):      1.61", "(avg):      nan"), "contradicts itself"),
        (("Inference (min):      1.49 ms", "Inference (min):"), "results are incomplete"),
        ((" (477 runs)", ""), "results are incomplete"),
        (("count=477 first", "count=477 First"), "incomplete|impossible|contradicts"),
        (("median=1604", "median=0"), "impossible"),
    ],
)
def test_results_of_litert_that_cannot_be_are_refused(change: tuple[str, str], message: str) -> None:
    assert change[0] in OF_LITERT
    with pytest.raises(BenchmarkError, match=message):
        parse(OF_LITERT.replace(*change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("avg=63743.2", "avg=0"), "impossible"),
        (("min=49088", "min=-3"), "impossible"),
        (("std=60716", "std=nan"), "impossible"),
        (("median=51891", "median=inf"), "impossible"),
        (("median=51891", "median=x"), "impossible"),
        (("count=1000", "count=0"), "incomplete"),
        ((" max=686105 avg=63743.2", ""), "incomplete"),
        (("(avg): 63743.2", "(avg): 63743"), None),
        (("(avg): 63743.2", "(avg): 6374"), "contradicts itself"),
    ],
)
def test_times_that_cannot_be_are_refused_with_what_was_printed(change: tuple[str, str], message: str | None) -> None:
    output = OF_2025.replace(*change)
    if message is None:
        assert parse(output).runs == 1000
        return
    with pytest.raises(BenchmarkError, match=message):
        parse(output)


@pytest.mark.parametrize("output", ["", "count=fifty\n]]>>", "Segmentation fault", "\x00\x07\ufffd"])
def test_garbage_is_quoted(output: str) -> None:
    with pytest.raises(BenchmarkError, match=r"but (nothing|'.*')"):
        parse(output)


def test_signal_is_named() -> None:
    assert "signal 11" in str(benchmark_model.failure(139, ""))
    assert "exit code 1: 'ERROR: Failed to mmap model'" in str(
        benchmark_model.failure(1, "ERROR: Failed to mmap model\n")
    )


def test_command_has_the_tools_own_flags() -> None:
    words = benchmark_model.command("b", "m", 2, warm_up_s=0.1, runs=5, minimum_s=0.2, maximum_s=2)
    flags = "--graph=m --num_threads=2 --warmup_runs=1 --warmup_min_secs=0.1 --num_runs=5 --min_secs=0.2 --max_secs=2"
    assert words == ["b", *flags.split()]


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little") + bytes(44)


def test_program_of_an_abi_that_the_phone_runs_is_taken() -> None:
    benchmark_model.check_abi(elf(183), ["arm64-v8a", "armeabi-v7a"])
    benchmark_model.check_abi(elf(40), ["arm64-v8a", "armeabi-v7a"])
    benchmark_model.check_abi(b"#!/bin/sh\n", ["arm64-v8a"])


@pytest.mark.parametrize(
    ("content", "maker"),
    [
        (b"\x00Inference timings in us: Init: \x00\x00========== BENCHMARK RESULTS ==========\x00", "LiteRT"),
        (b"\x00Inference timings in us: Init: \x00", "TensorFlow Lite"),
        (b"\x00Average inference timings in us: Warmup: \x00", "TensorFlow Lite"),
        (b"#!/bin/sh\n", ""),
    ],
)
def test_program_is_known_by_the_words_of_its_summary(content: bytes, maker: str) -> None:
    assert benchmark_model.maker(content) == maker


def test_program_of_another_abi_is_refused_with_the_place_of_the_right_one() -> None:
    with pytest.raises(
        ValueError, match=r"built for arm64-v8a, but the phone runs armeabi-v7a; .*android_arm_benchmark"
    ):
        benchmark_model.check_abi(elf(183), ["armeabi-v7a"])
    with pytest.raises(ValueError, match="none is published for x86"):
        benchmark_model.check_abi(elf(183), ["x86"])
