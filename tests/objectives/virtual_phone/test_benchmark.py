from __future__ import annotations

import doctest
import re

import pytest

from mnas_moo.objectives.virtual_phone import benchmark as benchmark_module
from mnas_moo.objectives.virtual_phone.benchmark import UsageError, loaded, opening, parse, runs, timings
from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from tests.objectives.virtual_phone.conftest import MILLISECONDS, Adb


def test_doctests() -> None:
    assert doctest.testmod(benchmark_module).failed == 0


def test_log_is_that_of_the_real_tool() -> None:
    """Line by line what builds of 2024 print; figures chosen so that each kind of number is there."""
    options = parse("tflite", ["--graph=/m.tflite", "--num_threads=4", "--min_secs=0.5", "--use_nnapi=false"])
    log = opening(options) + loaded(options, 4.2761, 87639)
    log += runs(1, 0.5, 150, [106436, 105929, 105929])
    log += runs(50, 1, 150, [2500000, 2500000, 2750000])
    log += timings("tflite", 87639, [106436, 105929, 105929], [2500000, 2500000, 2750000], (14.4414, 14.8164), 4.2761)
    assert log == (
        "INFO: STARTING!\n"
        "INFO: Log parameter values verbosely: [0]\n"
        "INFO: Min runs duration (seconds): [0.5]\n"
        "INFO: Num threads: [4]\n"
        "INFO: Graph: [/m.tflite]\n"
        "INFO: #threads used for CPU inference: [4]\n"
        "WARN: Unconsumed cmdline flags: --use_nnapi=false\n"
        "INFO: Loaded model /m.tflite\n"
        "INFO: The input model file size (MB): 4.2761\n"
        "INFO: Initialized session in 87.639ms.\n"
        "INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150"
        " seconds.\n"
        "INFO: count=3 first=106436 curr=105929 min=105929 max=106436 avg=106098 std=239"
        " p5=105929 median=105929 p95=106436\n\n"
        "INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150"
        " seconds.\n"
        "INFO: count=3 first=2500000 curr=2750000 min=2500000 max=2750000 avg=2.58333e+06 std=117851"
        " p5=2500000 median=2500000 p95=2750000\n\n"
        "INFO: Inference timings in us: Init: 87639, First inference: 106436, Warmup (avg): 106098,"
        " Inference (avg): 2.58333e+06\n"
        "INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the"
        " actual memory footprint of the model at runtime. Take the information at your discretion.\n"
        "INFO: Memory footprint delta from the start of the tool (MB): init=14.4414 overall=14.8164\n"
    )


def test_log_of_litert_is_that_of_its_own_tool() -> None:
    """The lines of litert/tools/benchmark_litert_model.h, in the form of a real log; the figures are made up."""
    options = parse("litert", ["--graph=/m.tflite", "--num_threads=4", "--use_cpu=true", "--use_xnnpack=true"])
    log = opening(options) + loaded(options, 0.575, 27830)
    log += timings("litert", 27830, [2170, 1640], [1612, 1603, 1642], (7.25, 16.1), 0.575)
    assert log == (
        "INFO: STARTING!\n"
        "INFO: Log parameter values verbosely: [0]\n"
        "INFO: Num threads: [4]\n"
        "INFO: #threads used for CPU inference: [4]\n"
        "WARN: Unconsumed cmdline flags: --use_xnnpack=true\n"
        "INFO: [benchmark_litert_model.cc:84] Loading model from: /m.tflite\n"
        "INFO: The input model file size (MB): 0.575\n"
        "INFO: Initialized session in 27.83ms.\n"
        "INFO: [benchmark_litert_model.h:88] \n"
        "========== BENCHMARK RESULTS ==========\n"
        "INFO: [benchmark_litert_model.h:92] Signature name:       serving_default\n"
        "INFO: [benchmark_litert_model.h:94] Model initialization: 27.83 ms\n"
        "INFO: [benchmark_litert_model.h:96] Warmup (first):       2.17 ms\n"
        "INFO: [benchmark_litert_model.h:98] Warmup (avg):         1.91 ms (2 runs)\n"
        "INFO: [benchmark_litert_model.h:100] Inference (avg):      1.62 ms (3 runs)\n"
        "INFO: [benchmark_litert_model.h:104] Inference (min):      1.60 ms\n"
        "INFO: [benchmark_litert_model.h:106] Inference (max):      1.64 ms\n"
        "INFO: [benchmark_litert_model.h:108] Inference (std):      0.02\n"
        "INFO: [benchmark_litert_model.h:115] Throughput:           355.16 MB/s\n"
        "INFO: [benchmark_litert_model.h:124] \n"
        "Memory Usage:\n"
        "INFO: [benchmark_litert_model.h:126] Init footprint:       7.25 MB\n"
        "INFO: [benchmark_litert_model.h:128] Overall footprint:    16.10 MB\n"
        "INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)\n"
        "INFO: [benchmark_litert_model.h:139] ======================================\n\n"
    )


def test_flags_have_the_tool_s_defaults() -> None:
    options = parse("tflite", ["--graph=x"])
    assert [options.number(flag) for flag in ("num_runs", "min_secs", "max_secs", "warmup_runs")] == [50, 1, 150, 1]
    assert options.threads == 1


@pytest.mark.parametrize("arguments", [[], ["--graph="], ["--graph=x", "--num_runs=many"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        parse("tflite", arguments)


def test_phone_prints_the_log_with_times_of_its_factor(benchmark: Adb, phone: VirtualPhone) -> None:
    result = benchmark()
    assert result.returncode == 0
    assert result.stderr == "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    assert "INFO: The input model file size (MB): 4\n" in result.stdout
    assert "INFO: Graph: [/data/local/tmp/model.tflite]\n" in result.stdout
    found = re.search(r"count=20 .*median=(\d+)", result.stdout)
    assert found
    assert int(found[1]) == pytest.approx(1e3 * MILLISECONDS * phone.time_factor, rel=0.01)


def test_fewer_runs_fit_into_the_longest_time(benchmark: Adb) -> None:
    assert "count=4 " in benchmark("--max_secs=0.05").stdout  # at 16 ms, until the time is over


def test_slow_cores_take_longer(benchmark: Adb) -> None:
    big, little = (mean(benchmark(prefix=f"taskset {mask}").stdout) for mask in ("80", "1"))
    assert little / big == pytest.approx(2802000 / 1803000, rel=0.02)


def test_bad_graph_ends_with_errors_and_exit_code_1(benchmark: Adb, adb: Adb) -> None:
    adb("shell", "echo not a model > /data/local/tmp/model.tflite")
    result = benchmark()
    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == [
        "ERROR: Failed to mmap model /data/local/tmp/model.tflite",
        "ERROR: Benchmarking failed.",
    ]
    assert "count=" not in result.stdout
    adb("shell", "rm /data/local/tmp/model.tflite")
    assert benchmark().returncode == 1


def test_run_is_in_the_phone_s_log(benchmark: Adb, phone: VirtualPhone) -> None:
    benchmark()
    command, run = phone.log[-2:]
    assert (command.kind, run.kind, run.result) == ("shell", "benchmark", 0)
    assert run.text.startswith("--graph=/data/local/tmp/model.tflite --num_threads=1")
    assert command.end is not None
    assert run.end is not None
    assert command.start <= run.start <= run.end <= command.end


def mean(log: str) -> float:
    """The figure at the end of a log of either program, in microseconds."""
    found = re.search(r"Inference \(avg\): +(\S+)( ms)?", log)
    assert found, log
    return float(found[1]) * (1e3 if found[2] else 1)
