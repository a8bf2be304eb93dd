"""Cassettes: the files of recorded replies beside a skill.

``<skill>/cassettes/<student>.jsonl`` holds one reply per line, sorted by case, arm, trial and turn, so that a new reply
changes one line and git can merge recordings. A line starts with its key, so a lookup parses only one line.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.paths import component, write_atomically
from pytest_upskill.replies.stored_reply import FieldError, Label, NewerVersionError, Recording, key_in

FOLDER = "cassettes"
_CONFLICT_MARKS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")


def cassette_path(skill: Path, student: str) -> Path:
    """The path of a student's cassette; ``skill`` is the skill's folder."""
    return skill / FOLDER / f"{component(student)}.jsonl"


class UnusableReplyError(InfrastructureError):
    """A recorded reply cannot be used. The message names the file, the line and the next step."""


class Cassette:
    """The recordings in a file, as of when it was opened; empty if there is no file.

    A line that cannot be used is added to ``problems`` when it is parsed, and does not affect other lines.
    """

    def __init__(self, path: Path) -> None:
        """Raises InfrastructureError if the file cannot be read."""
        self.path = path
        self.problems: dict[int, str] = {}
        """By line number, what is wrong with the line. The text names the file, the line and the next step."""
        try:
            self._lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            self._lines = []
        except OSError as error:
            problem = f"the recorded replies in {path} cannot be read ({error.strerror})"
            raise InfrastructureError(f"{problem}; it must be a file that you may read") from None
        self._index: dict[str, list[int]] = {}
        self._by_label: dict[Label, Recording] | None = None
        for number, line in enumerate(self._lines, start=1):
            if line.strip() and (key := key_in(line) or getattr(self._parsed(number), "key", None)):
                self._index.setdefault(key, []).append(number)

    def find(self, key: str) -> Recording | None:
        """The recording of a key. Raises UnusableReplyError if no line of that key can be used."""
        numbers = self._index.get(key, ())
        if (found := self._first(numbers)) is None and numbers:
            raise UnusableReplyError(self.problems[numbers[0]])
        return found

    def recordings(self) -> list[Recording]:
        """Return all usable recordings, one for each key. Parses every line."""
        return [one for numbers in self._index.values() if (one := self._first(numbers)) is not None]

    def unusable(self) -> list[tuple[str | None, bytes]]:
        """Return the key (None if unknown) and the text of each line that cannot be used."""
        self.recordings()
        return [(key_in(self._lines[number - 1]), self._lines[number - 1]) for number in self.problems]

    def labelled(self, label: Label) -> Recording | None:
        """Return the recording with this label. It may answer another question."""
        if self._by_label is None:
            self._by_label = {one.label: one for one in self.recordings()}
        return self._by_label.get(label)

    def _first(self, numbers: Sequence[int]) -> Recording | None:
        """The recording of the first of these lines that can be used."""
        return next((one for number in numbers if (one := self._parsed(number)) is not None), None)

    def _parsed(self, number: int) -> Recording | None:
        line = self._lines[number - 1]
        try:
            return Recording.from_line(line)
        except FieldError as error:
            self.problems[number] = f"{self.path}:{number} {_explained(line, error)}"
            return None


def _explained(line: bytes, error: FieldError) -> str:
    if line.startswith(_CONFLICT_MARKS):
        return "is a mark of a merge conflict; keep the lines of both sides, and delete git's marks"
    again = "delete the line and record the reply again with --upskill-replies=record"
    step = f"upgrade pytest-upskill, or {again}" if isinstance(error, NewerVersionError) else again
    return f"is not a valid recorded reply: {error}; {step}"


def write(path: Path, recordings: Iterable[Recording], unusable: Iterable[bytes] = ()) -> None:
    """Rewrite a cassette with sorted recordings, followed by the ``unusable`` lines. Remove it if there are no lines.

    Raises OSError.
    """
    lines = [one.to_line().encode() for one in sorted(recordings, key=lambda one: (*one.label, one.key))]
    lines += unusable
    if lines:
        write_atomically(path, b"".join(line + b"\n" for line in lines))
    else:
        path.unlink(missing_ok=True)


def merge(path: Path, fresh: Iterable[Recording]) -> None:
    """Add recordings to a cassette. Each replaces an older recording with its label, and unusable lines with its key.

    The caller must hold a lock. Raises OSError, or InfrastructureError if the cassette cannot be read.
    """
    cassette = Cassette(path)
    before = {one.label: one for one in cassette.recordings()}
    added = {one.label: one for one in fresh}
    keys = {one.key for one in added.values()}
    if {**before, **added} != before:
        write(path, {**before, **added}.values(), (line for key, line in cassette.unusable() if key not in keys))
