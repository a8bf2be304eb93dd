"""The SQLite file that the processes of a rootdir share: opening, migrations, transactions, messages for errors."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.students.files import writing_below

PATIENCE = 60.0
"""Seconds to wait for another process's transaction. A transaction takes milliseconds."""


NO_LOCKS = "its file system cannot lock files, as some network drives cannot; keep the project on a local disk"
_ADVICE: Mapping[str, str] = {
    "SQLITE_BUSY": "another process has locked it; let that process end, or stop it",
    "SQLITE_LOCKED": "another process has locked it; let that process end, or stop it",
    "SQLITE_FULL": "its disk is full: free some space",
    "SQLITE_READONLY": "make the file and its folder writable",
    "SQLITE_CANTOPEN": "make the file and its folder writable",
    "SQLITE_PROTOCOL": NO_LOCKS,
    "SQLITE_NOLFS": NO_LOCKS,
    "SQLITE_IOERR_LOCK": NO_LOCKS,
    "SQLITE_IOERR_RDLOCK": NO_LOCKS,
    "SQLITE_IOERR_CHECKRESERVEDLOCK": NO_LOCKS,
    "SQLITE_IOERR_SHM": NO_LOCKS,
    "SQLITE_CORRUPT": "it is damaged: move the file away to begin a new one",
    "SQLITE_NOTADB": "it is damaged: move the file away to begin a new one",
    "SQLITE": "free some space or make it writable, or move the file away to begin a new one",
}
"""Advice, by the beginning of the name of SQLite's result code. The first entry that matches is used."""


class SqliteStorage:
    """Opens the file at ``path``, whose folder must exist, and creates the tables of ``schema`` that are missing.

    ``migrations`` maps a version to the statements that lead to the next one; all of them run in one transaction.
    ``patience`` (s) is how long to wait for another process's transaction. ``what`` describes the file's contents in
    messages.

    Safe among threads and processes. Every method raises InfrastructureError if the file cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        version: int,
        migrations: Mapping[int, str],
        patience: float = PATIENCE,
        what: str = "replies",
    ) -> None:
        self._path, self._what = path, what
        self._lock = threading.RLock()
        with self.reading():
            self._db = sqlite3.connect(path, patience, isolation_level=None, check_same_thread=False)
            # A text that is not UTF-8 must not hide a row.
            self._db.text_factory = lambda data: data.decode("utf-8", "replace")
            # SQLite does not wait when two processes change the journal's mode.
            with FileLock(path.with_name("opening.lock"), patience):
                (mode,) = self._db.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise InfrastructureError(f"{_refusal(what, path)} (it refuses a write-ahead log); {NO_LOCKS}")
            # A power cut may lose the last replies; killing the process loses none.
            self._db.execute("PRAGMA synchronous = NORMAL")
        with self.writing():
            scripts = [migrations[earlier] for earlier in range(self._version(version) or version, version)]
            for statement in ";".join([*scripts, schema]).split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {version}")

    def _version(self, ours: int) -> int:
        """Return the file's version; 0 for a new file."""
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if not 0 <= version <= ours:
            raise InfrastructureError(
                f"{self._path} was written by another version of pytest-upskill (its format is {version}, ours "
                f"{ours}); use that version, or move the file away to begin a new one"
            )
        return version

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Make several statements without a statement of another thread in between."""
        with explained(self._path, self._what), self._lock:
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make one transaction, which is rolled back on an exception."""
        with self.reading():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._db.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Execute one statement, inside ``reading`` or ``writing``."""
        return self._db.execute(statement, values)

    def changes(self) -> int:
        """Return a number that changes when another process writes to the file."""
        with self.reading():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file as soon as no thread uses it. Nothing can be written afterwards."""
        with self._lock:  # SQLite crashes if a statement of another thread is running
            self._db.close()


@contextlib.contextmanager
def explained(path: Path, what: str = "replies") -> Iterator[None]:
    """Raise InfrastructureError, with the next step, if the file at ``path`` or its folder cannot be used."""
    try:
        with writing_below(path.parent):
            yield
    except sqlite3.DatabaseError as error:
        raise InfrastructureError(f"{_refusal(what, path)} ({error}); {_advice(error)}") from error
    except NotImplementedError as error:  # raised by FileLock on a file system without flock
        raise InfrastructureError(f"{_refusal(what, path)} ({error}); {NO_LOCKS}") from error


def _refusal(what: str, path: Path) -> str:
    return f"the {what} in {path} cannot be used"


def _advice(error: sqlite3.DatabaseError) -> str:
    """Return the next step for SQLite's result code (https://sqlite.org/rescode.html)."""
    name = getattr(error, "sqlite_errorname", "")
    return next((advice for prefix, advice in _ADVICE.items() if name.startswith(prefix)), _ADVICE["SQLITE"])
