from __future__ import annotations

import signal
import threading

import pytest

from mnas_moo.running.interrupts import Interrupts


def test_until_it_is_kept_back_ctrl_c_interrupts() -> None:
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_kept_back_until_it_is_allowed() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            pytest.fail("what may be interrupted begins although an interrupt is pending")


def test_it_is_kept_back_again_after_it_was_allowed() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        with interrupts.allowed():
            assert not interrupts.pending
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending


def test_the_second_ctrl_c_is_not_kept_back() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_handler_is_there_in_the_context_only() -> None:
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_somebody_elses_handler_stays() -> None:
    def theirs(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGINT, theirs)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is theirs
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_than_the_main_one_leaves_signals_alone() -> None:
    found: list[object] = []

    def enter() -> None:
        with Interrupts() as interrupts:
            interrupts.keep_back()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
