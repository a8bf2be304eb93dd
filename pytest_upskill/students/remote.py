"""The common part of students behind a network: the key, the attempts, and one clear message for each failure.

This module handles the exceptions of both vendors' SDKs without importing them. One tool generates both SDKs, and so
gives their exceptions the same names.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import InfrastructureError, StudentError
from pytest_upskill.records import Prompt, Question, Reply, Tokens
from pytest_upskill.students import fields, reading, refusals
from pytest_upskill.students.base import Server, Student, StudentConfig
from pytest_upskill.students.reading import Call, Round
from pytest_upskill.students.retries import ATTEMPTS, AttemptFailure, persist, retry_after

if TYPE_CHECKING:
    from pydantic import SecretStr

CONNECT_TIMEOUT = 10.0
"""Seconds after which a server that does not answer at all counts as unreachable."""
LONGEST_QUOTE = 300
"""The maximum length (in characters) of the quoted part of a server's message."""
SEE_LOG = "see the server's own log for the cause"
ANOTHER_WORDING = "change the wording of the case or the skill, or ask another model"

KEYRING_SERVICE = "pytest-upskill"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response:
    """The result of one request: a reply, or ``calls`` of the tool. ``message`` has the provider's form, to be sent
    back.
    """

    reply: Reply
    calls: tuple[Call, ...] = ()
    message: Any = None


class RemoteStudent(Student):
    """A student behind an SDK. Subclasses make one attempt. This class repeats attempts, and makes the messages of
    failures.

    The key is read when a question is asked, and is kept only here and in the SDK's client. ``server`` is a server that
    is started for this student. Without it, the server at the configured address is used.
    """

    default_url = ""
    """The provider's URL, which is used if the configuration has no ``base_url``."""

    def __init__(
        self, config: StudentConfig, *, sleep: Callable[[float], object] | None = None, server: Server | None = None
    ) -> None:
        self.config = config
        self._server = server
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._lock = threading.Lock()
        self._client: Any = None
        self._kept_key: SecretStr | None = None
        self._refused_fields: dict[str, str] = {}
        """Optional fields that the server refuses, each with the server's message."""

    def ask(self, question: Question, case: Case) -> Reply:
        self._require_key()
        replies: list[Reply] = []
        rounds: list[Round] = []
        read: list[str] = []
        while True:
            response = self._tried(lambda: self._attempt(question, tuple(rounds)), ATTEMPTS)
            if isinstance(response, AttemptFailure):
                raise self._failure(response)
            replies.append(response.reply)
            if not response.calls:
                return _joined(replies, read)
            results = []
            for call in response.calls:
                text, path = reading.answer(call, question.prompt.files, read)
                results.append(text)
                read += [path] if path is not None else []
            rounds.append(Round(response.calls, tuple(results), response.message))

    def slots(self) -> int | None:
        self._connected()  # done early, because importing an SDK takes a second or more
        return None

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @abstractmethod
    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        """Return the fields of a request, as the configuration's ``options`` change them."""

    @abstractmethod
    def _sent(
        self, question: Question, rounds: Sequence[Round], body: Mapping[str, Any], refused: Mapping[str, str]
    ) -> Response | AttemptFailure:
        """Send one request with the fields ``body``, and return the result. Exceptions of the SDK are returned as
        failures.

        ``refused`` has the fields that were left out, each with the server's message.
        """

    def _attempt(self, question: Question, rounds: Sequence[Round]) -> Response | AttemptFailure:
        """Return the result of a request, after ``rounds`` of reading the skill's files.

        If the server refuses an optional field by name, the request is repeated without this field.
        """
        body, refused = self._request(question, rounds), dict(self._refused_fields)
        while True:
            sent = {name: value for name, value in body.items() if name not in refused}
            response = self._sent(question, rounds, sent, refused)
            if isinstance(response, Response):
                self._refused_fields |= refused  # so that later questions are asked without the field at once
                return response
            named = [name for name in response.refused if name in sent]
            if not named:
                return response
            refused |= dict.fromkeys(named, response.said)

    def _notes_on(self, refused: Mapping[str, str], tokens: Tokens) -> list[str]:
        """Return the notes on a reply's request for its report."""
        notes = [
            f"{self._address} refused '{name}' ({said}); the question was asked without it"
            for name, said in refused.items()
        ]
        unknown = f"{self._address} counted no tokens: the cost of the reply is unknown"
        return notes if tokens != Tokens() else [*notes, unknown]

    @abstractmethod
    def _make_client(self) -> Any:
        """Return the SDK's client, with the key."""

    @property
    def _address(self) -> str:
        """Return the student's URL. If a server is started for the student, this starts it, unless it is running."""
        return self._server.address() if self._server else self.config.base_url or self.default_url

    @property
    def _connect_timeout(self) -> float:
        return min(CONNECT_TIMEOUT, self.config.timeout)

    def _how_to_start(self) -> str:
        """Return what the user can do if the server is unreachable."""
        start = f"start it with: {self.config.serve}" if self.config.serve else "check base_url and the network"
        return f"{start} (base_url in {self._table})"

    def _how_to_fit(self) -> str:
        """Return what the user can do if the prompt is longer than the context."""
        return "shorten the skill, or choose a model with a longer context"

    def _connected(self) -> Any:
        """Return the client, which all threads share."""
        _ = self._address  # may start a server, which takes long, so it is done without the lock that closing needs
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _reply(self, tokens: Tokens, **others: Any) -> Reply:
        price = self.config.price if tokens != Tokens() else None
        return Reply(tokens=tokens, cost_usd=price.cost(tokens) if price else None, **others)

    def _overdue(self, started: float) -> AttemptFailure | None:
        """Return a failure if the reply takes too long or the run was ended, else None."""
        if self._closed.is_set():
            return AttemptFailure("the run was ended before the reply was complete")
        return self._timed_out() if time.monotonic() - started > self.config.timeout else None

    @property
    def _table(self) -> str:
        return f"[tool.upskill.students.{self.name}]"

    def _key(self) -> SecretStr | None:
        if (variable := self.config.api_key_env) is not None and self._kept_key is None:
            self._kept_key = _find_key(variable)
        return self._kept_key

    def _require_key(self) -> None:
        variable, key = self.config.api_key_env, self._key()
        if variable is None or (key and re.fullmatch(r"[!-~]+", key.get_secret_value())):
            return
        if key is None:
            keep = f"keep it in the system's keyring: keyring set {KEYRING_SERVICE} {variable}"
            problem = f", which should hold the key for {self._address}, is not set; export it and run again, or {keep}"
        else:  # the HTTP library would quote such a key in its message
            reason = "a space, a line end or a character beyond ASCII is in it"
            problem = f" holds something that cannot be a key ({reason}); set it again"
        raise StudentError(f"student '{self.name}': the environment variable {variable}{problem}", lasting=True)

    def _quoted(self, said: str) -> str:
        """Return a server's message, shortened, on one line, without the key, which some servers quote."""
        key = self._key()
        line = " ".join(refusals.without_keys(said, key.get_secret_value() if key else None).split())
        return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}..."

    def _tried(self, attempt: Callable[[], T | AttemptFailure], attempts: int) -> T | AttemptFailure:
        def once() -> T | AttemptFailure:
            if self._closed.is_set():
                return AttemptFailure("the run was ended before the question was asked")
            try:
                result = attempt()
            except InfrastructureError:
                raise
            except Exception as error:  # raised by the SDK, whose frames hold the key: its traceback is dropped
                said = self._quoted(f"{type(error).__name__}: {error}")
                message = f"the question to {self._address} failed ({said}); check the 'options' of {self._table}"
                return AttemptFailure(message)
            if isinstance(result, AttemptFailure) and result.transient and self._server is not None:
                self._server.revive()
            return result

        return persist(once, patience=self.config.timeout, sleep=self._sleep, attempts=attempts)

    def _failure(self, failure: AttemptFailure) -> StudentError:
        # After a transient failure in all attempts, the next question will most likely fail, too.
        lasting = failure.unauthorised or (failure.transient and not failure.of_question)
        return StudentError(f"student '{self.name}': {failure.message}", lasting)

    def _ended(self, word: str, text: str) -> AttemptFailure | None:
        """Return the failure of a reply with this ``finish_reason``; None if the model chose the end."""
        if refusals.is_refusal(word):
            return self._declined(text)
        if (why := refusals.ended(word)) is None:
            return None
        own = refusals.is_of_question(word)
        remedy = self._how_to_fit() if refusals.is_full(word) else ANOTHER_WORDING if own else SEE_LOG
        return AttemptFailure(f"{self._address}: {why}; {remedy}", transient=True, of_question=own)

    def _declined(self, said: str) -> AttemptFailure:
        problem = f"{self._address}: the model refused to answer, by the policy of its provider"
        words = f" ({self._quoted(said)})" if said.strip() else ""
        return AttemptFailure(f"{problem}{words}; {ANOTHER_WORDING}", transient=True, of_question=True)

    def _timed_out(self) -> AttemptFailure:
        problem = f"{self._address} gave no complete reply within {self.config.timeout:g} s"
        remedy = f"raise 'timeout', or lower 'concurrency' or 'max_tokens', in {self._table}"
        return AttemptFailure(f"{problem}; {remedy}", transient=True)

    def _explain(self, sdk: Any, error: Exception) -> AttemptFailure:
        """Return an AttemptFailure for an exception of the SDK. ``sdk`` is the module that defines the exceptions."""
        if self._closed.is_set():
            return AttemptFailure("the run was ended before the reply was complete")
        cause = type(error.__cause__).__name__
        if isinstance(error, sdk.APITimeoutError):
            connecting = cause == "ConnectTimeout"
            return self._unreachable(f"no connection in {CONNECT_TIMEOUT:g} s") if connecting else self._timed_out()
        if isinstance(error, sdk.APIConnectionError):
            said = self._quoted(str(error.__cause__ or error))
            message = f"{self._address} broke off the connection ({said}); {SEE_LOG}"
            return self._unreachable(said) if cause == "ConnectError" else AttemptFailure(message, transient=True)
        if isinstance(error, sdk.APIStatusError):
            return self._refused(error.status_code, _body(error), error.response.headers)
        if isinstance(error, sdk.APIError):  # an error inside a stream
            return self._refused(refusals.status_in(error.body) or 500, error.body, {}, fallback=str(error))
        said = self._quoted(str(error))
        problem = f"{self._address} sent something that is not an answer of a chat endpoint ({said})"
        return AttemptFailure(f"{problem}; check base_url in {self._table}")

    def _unreachable(self, said: str) -> AttemptFailure:
        message = f"no server answers at {self._address} ({said}); {self._how_to_start()}"
        return AttemptFailure(message, transient=True, unreachable=True)

    def _refused(self, status: int, body: object, headers: Mapping[str, str], fallback: str = "") -> AttemptFailure:
        said = self._quoted(refusals.words(body) or fallback or "no message")
        if refusals.is_filtered(body, said):
            problem = f"{self._address} answered {status}: a content filter of the server refused the question ({said})"
            return AttemptFailure(f"{problem}; {ANOTHER_WORDING}", of_question=True)
        if status in (408, 409, 429) or status >= 500:
            return self._postponed(status, body, said, retry_after(headers))
        if status in (401, 403):
            variable = self.config.api_key_env
            unnamed = f"name the environment variable that holds its key: api_key_env in {self._table}"
            remedy = unnamed if variable is None else f"check the key in the environment variable {variable}"
            problem = f"{self._address} answered {status}, not authorised ({said}); {remedy}"
            return AttemptFailure(problem, unauthorised=True, refused=self._fields_refused(body, said), said=said)
        if (sizes := refusals.context_overflow(body)) is not None:
            problem = f"the prompt is longer than the model's context ({said})"
            if None not in sizes:
                problem = f"the prompt has {sizes[0]} tokens, the context of {self._address} holds {sizes[1]}"
            return AttemptFailure(f"{problem}; {self._how_to_fit()}")
        if status == 404 or re.search(r"model .*not found", said):
            remedy = f"check base_url (it usually ends in /v1) and the model '{self.model}' in {self._table}"
        else:
            remedy = f"check the fields and 'options' of {self._table}"
        message = f"{self._address} answered {status} ({said}); {remedy}"
        return AttemptFailure(message, refused=self._named_fields(body), said=said)

    def _postponed(self, status: int, body: object, said: str, wait: float | None) -> AttemptFailure:
        """Return a failure that may not occur again if the question is asked later."""
        loading = status == 503 and "loading" in said.lower()
        if loading:
            what = f"is still loading its model; try again later, or raise 'timeout' in {self._table}"
        elif status == 429:
            what = f"answered 429, too many requests ({said}); lower 'concurrency' in {self._table}"
        else:
            what = f"answered {status} ({said}); {SEE_LOG}"
        refused = self._fields_refused(body, said) if status >= 500 else ()
        message = f"{self._address} {what}"
        return AttemptFailure(message, transient=True, wait=wait, loading=loading, refused=refused, said=said)

    def _fields_refused(self, body: object, said: str) -> tuple[str, ...]:
        """Return the optional fields that an error names, if the error says that the request caused it."""
        return self._named_fields(body) if refusals.REFUSAL.search(said) else ()

    def _named_fields(self, body: object) -> tuple[str, ...]:
        """Return the optional fields that an error names, by the names under which they are sent."""
        sent = [fields.sent_name(name, self.config.options) for name in refusals.OPTIONAL]
        return tuple(refusals.named_fields(body, sent))


def _body(error: Any) -> object:
    """Return what the server sent with an error. The SDK shows only a part of it."""
    try:
        return error.response.json()
    except Exception:  # not JSON, or cut off
        return error.body if error.body is not None else error.response.text


def has_key(config: StudentConfig) -> bool:
    """Return whether the key that a student needs is available. True if the student needs none."""
    return config.api_key_env is None or _find_key(config.api_key_env) is not None


def _find_key(variable: str) -> SecretStr | None:
    """Return the key that ``variable`` names, from the environment or the system's keyring; None if neither has it.

    The key is never printed or stored, and no traceback or ``repr`` shows it.
    """
    from pydantic import SecretStr

    text = os.environ.get(variable, "").strip()
    if not text and importlib.util.find_spec("keyring") is not None:
        import keyring
        import keyring.errors

        try:
            text = (keyring.get_password(KEYRING_SERVICE, variable) or "").strip()
        except (keyring.errors.KeyringError, OSError, RuntimeError):  # there is no keyring, or it is locked
            return None
    return SecretStr(text) if text else None


def _joined(replies: Sequence[Reply], read: Sequence[str]) -> Reply:
    """Return the last reply, with the sums over all requests. ``read`` are the files that were read before it."""
    last = replies[-1]
    if len(replies) == 1:
        return last
    costs = [reply.cost_usd for reply in replies if reply.cost_usd is not None]
    return replace(
        last,
        reasoning="\n".join(reply.reasoning for reply in replies if reply.reasoning),
        tokens=sum((reply.tokens for reply in replies), Tokens()),
        cost_usd=sum(costs) if len(costs) == len(replies) else None,
        seconds=sum(reply.seconds for reply in replies),
        details=replace(last.details, requests=len(replies), read=tuple(read)),
    )


def asked(prompt: Prompt, role: str) -> tuple[str, str]:
    """Return the system text and the question of a prompt. For the role ``user``, the question begins with the system
    text.
    """
    if role == "system" or not prompt.system:
        return prompt.system, prompt.user
    return "", f"{prompt.system}\n\n{prompt.user}"
