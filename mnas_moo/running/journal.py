"""A journal file that is never built upon when it is broken.

Optuna's journal is a file of JSON, a line per operation. Its own backend leaves half a line where a write fails, and
appends behind it. Here a write that fails is taken back; a broken last line (of a process that was killed meanwhile)
is ignored by readers, and cut off by the next writer, who keeps it in `FILE.broken-N`; a broken line before the last
one is an error with its number, which `mnas-moo repair` mends (``mnas_moo.running.journal_repair``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from mnas_moo.running.journal_lock import JournalLock
from mnas_moo.running.trouble import Patience, Say, StorageError, warn
from mnas_moo.study_file.document import one_line

OPERATIONS = range(11)
"""Numbers of Optuna's operations (``optuna.storages.journal._storage.JournalOperation``)."""


class JournalError(StorageError):
    """A line before the last one is broken."""


class JournalFile(BaseJournalBackend):
    """The lines of a journal.

    Args:
        path: the file, which exists.
        say: function that is told of locks that are waited for.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.lock = JournalLock(path, say)
        self._number = self._offset = 0  # of the line that is read next
        self._before = 0  # offset of the line before it
        self._refused = ""  # why the next line cannot be used
        self._inode = 0  # of the file that was read

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The operations from a number on, up to the last complete line.

        Raises:
            JournalError: a line before the last one is broken.
        """
        if log_number_from < self._number:
            self._number = self._offset = self._before = 0
            self._refused = ""
        with self.path.open("rb") as file:
            self._check_length(file.fileno())
            file.seek(self._offset)
            broken = ""
            for line in file:
                if broken:
                    raise self._error(broken)
                if not line.endswith(b"\n"):
                    return  # it is being written, or was left so
                broken = self._refused
                try:
                    operation = parsed(line)
                except ValueError as error:
                    broken = broken or str(error)
                if broken:
                    continue
                self._before, self._offset = self._offset, self._offset + len(line)
                self._number += 1
                if self._number > log_number_from:
                    yield operation

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes operations, all of them or none.

        Raises:
            JournalError: a line before the last one is broken; nothing was written.
            OSError: the file cannot be written; nothing was.
        """
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self.lock.held():
            file = os.open(self.path, os.O_RDWR | os.O_APPEND)
            try:
                self._mend(file)
                self._write(file, text)
            except BaseException:
                os.close(file)
                raise
        # After the lock: others need not wait for the disk, and a lock that is gone again is never written to it.
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def _write(self, file: int, text: bytes) -> None:
        """Appends the whole text or nothing."""
        end = os.fstat(file).st_size
        written = 0
        try:
            while written < len(text):
                written += os.write(file, text[written:])
        except BaseException:
            if written < len(text):
                os.ftruncate(file, end)
            raise

    def mend(self) -> bool:
        """Cuts off a broken last line and keeps it in a file beside the journal.

        Returns:
            Whether there was one.

        Raises:
            JournalError: a line before the last one is broken.
            OSError: the file cannot be written.
        """
        with self.path.open("rb") as reading:
            reading.seek(self._offset)
            if not self._refused and self._good_end(reading.read()) is None:
                return False
        with self.lock.held():
            file = os.open(self.path, os.O_RDWR | os.O_APPEND)
            try:
                return self._mend(file)
            finally:
                os.close(file)

    def refuse(self, reason: str) -> None:
        """Takes the operation that was read last as a broken line.

        Raises:
            JournalError: it is not the last line.
        """
        self._number, self._offset, self._refused = self._number - 1, self._before, reason
        with self.path.open("rb") as file:
            file.seek(self._offset)
            file.readline()
            if file.readline().endswith(b"\n"):
                raise self._error(reason)

    def _mend(self, file: int) -> bool:
        """Cuts off a broken last line while the lock is held."""
        self._check_length(file)
        blocks: list[bytes] = []
        place = self._offset
        while block := os.pread(file, 1 << 20, place):
            blocks.append(block)
            place += len(block)
        rest = b"".join(blocks)
        end = self._good_end(rest)
        if end is None:
            return False
        kept = keep(self.path, rest[end:])
        os.ftruncate(file, self._offset + end)
        os.fsync(file)
        self._refused = ""
        warn(
            f"{self.path}: its last line is broken and was cut off; it is kept in {kept.name} ({len(rest) - end} bytes)"
        )
        return True

    def _good_end(self, rest: bytes) -> int | None:
        """Where the broken last line of the unread part begins; None: there is none.

        Raises:
            JournalError: a line before the last one is broken.
        """
        end, number, broken = 0, self._number, ""
        for line in split_lines(rest):
            if broken:
                raise self._error(broken, number)
            if not line.endswith(b"\n"):
                return end
            try:
                if self._refused and end == 0:
                    raise ValueError(self._refused)
                parsed(line)
            except ValueError as error:
                broken = str(error)
                continue
            end += len(line)
            number += 1
        return end if broken else None

    def _check_length(self, file: int) -> None:
        """Checks that what was read already is still there.

        Raises:
            StorageError: it is not; the file was cut or replaced by another program while this one ran.
        """
        now = os.fstat(file)
        self._inode = self._inode or now.st_ino
        if now.st_size < self._offset or now.st_ino != self._inode:
            raise StorageError(f"{self.path}: the journal was cut or replaced while it was in use; start again")

    def _error(self, reason: str, number: int | None = None) -> JournalError:
        reason = reason if len(reason) <= 200 else f"{reason[:200]}…"
        line = (self._number if number is None else number) + 1
        return JournalError(
            one_line(
                f"{self.path}:{line}: the journal is broken in this line ({reason}); `mnas-moo repair STUDY` mends it"
            )
        )


def split_lines(text: bytes) -> list[bytes]:
    """The lines of a text with their ends; only a line feed ends one."""
    lines = text.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def parsed(line: bytes) -> dict[str, Any]:
    """The operation of a line.

    Raises:
        ValueError: it is none.
    """
    try:
        operation = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    if not isinstance(operation, dict) or operation.get("op_code") not in OPERATIONS:
        raise ValueError("no operation of Optuna's")
    if isinstance(operation["op_code"], bool) or not isinstance(operation.get("worker_id"), str):
        raise ValueError("an operation of nobody")
    return operation


def keep(path: Path, content: bytes) -> Path:
    """Writes what is taken out of a journal to a new file beside it, `FILE.broken-N`, and returns that."""
    n = 1
    while True:
        kept = path.with_name(f"{path.name}.broken-{n}")
        try:
            with kept.open("xb") as file:
                try:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                except BaseException:
                    kept.unlink()
                    raise
            return kept
        except FileExistsError:
            n += 1


class Journal(JournalStorage):
    """Optuna's storage in a journal; errors of the file system and of broken lines end the run.

    Args:
        path: the file, which exists.
        patience: what is done when a call fails.
    """

    def __init__(self, path: Path, patience: Patience) -> None:
        self.patience = patience
        self.file = JournalFile(path, patience.say or warn)
        super().__init__(self.file)

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        write = super()._write_log
        self.patience(lambda n: write(op_code, extra_fields))

    def _sync_with_backend(self) -> None:
        self.patience(lambda n: self._read())

    def _read(self) -> None:
        replay = self._replay_result
        operation: dict[str, Any] = {}

        def operations() -> Iterator[dict[str, Any]]:
            nonlocal operation
            for operation in self.file.read_logs(replay.log_number_read):  # noqa: UP028 (the last one is remembered)
                yield operation

        try:
            replay.apply_logs(operations())
        except (StorageError, OSError):
            raise
        except Exception as error:
            # The call of this process may be wrong, and Optuna says so; an operation of another one was accepted there.
            if operation.get("worker_id") == replay.worker_id:
                raise
            self.file.refuse(f"{type(error).__name__}: {error}")


def open_journal(path: Path, patience: Patience, *, writing: bool) -> Journal:
    """Opens a journal, which is created where there is none.

    Args:
        path: the file.
        patience: what is done when a call fails.
        writing: whether a broken last line is cut off; else it is ignored.

    Raises:
        JournalError: a line before the last one is broken.
        StorageError, OSError: the file cannot be read or written.
    """
    path = path.absolute()  # the program may change its folder
    if not path.exists():
        path.open("ab").close()
    journal = Journal(path, patience)
    if writing and patience(lambda n: journal.file.mend()):
        journal = Journal(path, patience)  # the broken line may have been applied in part
    return journal
