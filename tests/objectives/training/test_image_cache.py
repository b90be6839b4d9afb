"""The rest of the cache is tested where it is used, in test_data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from mnas_moo.objectives.training.image_cache import Pixels, cached

SHAPE = (4, 8, 8, 3)


def sevens(pixels: Pixels) -> None:
    pixels[:] = 7


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from mnas_moo.objectives.training.image_cache import cached\n"
        "def decode(pixels):\n"
        "    pixels[:] = 5\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"cached(pathlib.Path(sys.argv[1]), {SHAPE}, decode)\n"
    )
    path = tmp_path / "cache" / "images.npy"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
        (left,) = path.parent.iterdir()
        assert left.stat().st_size > np.prod(SHAPE)
    assert np.array_equal(cached(path, SHAPE, sevens), np.full(SHAPE, 7))
    assert list(path.parent.iterdir()) == [path]


def test_a_process_waits_for_the_images_that_another_one_decodes(tmp_path: Path) -> None:
    program = (
        "import fcntl, pathlib, sys\n"
        "from mnas_moo.objectives.training.image_cache import cached\n"
        "lock = fcntl.flock\n"
        "def locks(*words):\n"
        "    print('locks', flush=True)\n"
        "    lock(*words)\n"
        "def decode(pixels):\n"
        "    print('decodes', flush=True)\n"
        "    input()\n"
        "    pixels[:] = 7\n"
        "fcntl.flock = locks\n"
        f"print(cached(pathlib.Path(sys.argv[1]), {SHAPE}, decode).sum())\n"
    )
    path = tmp_path / "cache" / "images.npy"
    command = [sys.executable, "-c", program, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    begun = [process.stdout.readline() for process in both]
    for process in both:  # one of them reads it
        process.stdin.write("\n")
        process.stdin.close()
    words = [process.stdout.read().split() for process in both]
    assert [process.wait() for process in both] == [0, 0]
    assert begun == ["locks\n"] * 2
    assert sum(each.count("decodes") for each in words) == 1
    assert {each[-1] for each in words} == {str(7 * np.prod(SHAPE))}
    assert list(path.parent.iterdir()) == [path]
