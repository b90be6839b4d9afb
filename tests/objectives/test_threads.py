"""Torch's number of threads is restored."""

from __future__ import annotations

import threading

import torch

from mnas_moo.objectives.threads import cpu_threads


def test_number_of_threads_is_restored_when_users_overlap_and_after_errors() -> None:
    before = torch.get_num_threads()
    first, second = cpu_threads(3), cpu_threads(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == before
    failing = cpu_threads(before + 1)
    failing.__enter__()
    assert torch.get_num_threads() == before + 1
    assert not failing.__exit__(KeyError, KeyError(), None)
    assert torch.get_num_threads() == before


def test_number_of_threads_of_later_threads_is_restored_too() -> None:
    before, seen = torch.get_num_threads(), []

    def use() -> None:
        with cpu_threads(before + 1):
            both.wait()

    both = threading.Barrier(2)
    users = [threading.Thread(target=use) for _ in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [before]
