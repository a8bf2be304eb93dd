"""One run of pytest with skills in it: settings, seed, students, machine and pipeline, each made on first use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from pytest_upskill.configuration.settings import PROMPTS_STUDENT, Settings
from pytest_upskill.paths import HOME
from pytest_upskill.replies.budget import limits_in_words, spending
from pytest_upskill.replies.ledger import Ledger, Limits, Totals
from pytest_upskill.replies.scheduling import Mode, Replies
from pytest_upskill.session.repeat_command import on_ci
from pytest_upskill.students import demo, judges, registry
from pytest_upskill.students.base import Placeholder, Student, StudentConfig, is_at_hand
from pytest_upskill.students.builtin import BUILTIN
from pytest_upskill.students.serving import plan
from pytest_upskill.students.serving.broker import BrokerClient, Servers

if TYPE_CHECKING:
    from pytest_upskill.cases.case import Case
    from pytest_upskill.devices.base import Machine
    from pytest_upskill.execution.pipeline import Pipeline
    from pytest_upskill.records import Assertion, Kernel, Reply
    from pytest_upskill.session.until_decided import UntilDecided
GOLDEN = "golden"
DEMO = "demo"

_SOURCES = {
    "live": "live: stored replies are not used",
    "record": "record: stored and new replies are written to the cassettes beside the skills",
    "kept": "kept: stored replies, also to earlier prompts; no student is queried",
    "replay": "replay: from the cassettes beside the skills; no student is queried",
}
"""The lines of the header for the values of ``--upskill-replies`` other than ``auto``."""

_SHOWN = ("provider", "base_url", "serve", "api_key_env")
"""The fields of a student's table that decide which program runs, where prompts are sent, and which key is used."""


class Run:
    """What collection, items and the controller share.

    ``configs`` has the configurations of the students by name, ``judges`` those of the judges of rubrics. ``seed`` is
    shown in the header. A worker gets the controller's ``device`` and ``session``, and the address ``broker`` of the
    controller's server broker. ``explicit`` says whether skills were requested on this command line. ``tell`` prints a
    line while servers start. ``speaks`` says whether this process prints the warnings that otherwise every worker would
    print.
    """

    def __init__(
        self,
        settings: Settings,
        seed: int,
        hook: pluggy.HookRelay,
        device: str = "",
        session: str = "",
        broker: str = "",
        explicit: bool = False,
        tell: Callable[[str], object] = lambda line: None,
        speaks: bool = True,
    ) -> None:
        self.settings = settings
        self.speaks = speaks
        self.session = session or secrets.token_hex(8)
        self._broker = broker
        self.explicit = explicit
        self._tell = tell
        self._device = device or settings.device
        self.seed = seed
        self._hook = hook
        self._students: dict[str, Student] = {}
        self.noted: set[tuple[Path, str]] = set()
        """The warnings that collection has given, each with its skill."""
        specs = settings.students or (GOLDEN,)
        if specs == (PROMPTS_STUDENT,) and settings.prompts:
            configs = [StudentConfig(PROMPTS_STUDENT, PROMPTS_STUDENT)]
            placeholder = Placeholder(configs[0], "cannot be queried; name one with --upskill-student")
            self._students[PROMPTS_STUDENT] = placeholder
        else:
            configs = registry.resolve(specs, settings.students_tables, settings.invocation_dir, settings.base_url)
        self.configs = {config.name: config for config in configs}
        tables, folder = settings.students_tables, settings.invocation_dir
        self.judges = judges.resolve(settings.judge or (), tables, folder, configs, base_url=settings.base_url)
        self.models = {**self.configs, **self.judges}
        """The configurations of all models that may be asked: students, and judges of rubrics."""

    def student(self, name: str) -> Student:
        """Return the student of that name. It is created on first use, by a plugin's hook or by the registry."""
        if name not in self._students:
            self._students[name] = self._make(self.models[name])
        return self._students[name]

    def _make(self, config: StudentConfig) -> Student:
        if self.settings.replies in ("replay", "kept") and not is_at_hand(config):
            return Placeholder(config, f"is not queried with --upskill-replies={self.settings.replies}")
        made: Student | None = self._hook.pytest_upskill_student(config=config)
        if made is not None:
            return made
        if config.provider == DEMO:
            from pytest_upskill.students.demo.student import make

            return make(config, self.settings.rootdir, self.servers)
        return registry.create(config, self.servers.of(config.name) if self._serves(config) else None)

    def _serves(self, config: StudentConfig) -> bool:
        return plan.is_wanted(config, self.settings.serve)

    @cached_property
    def servers(self) -> Servers | BrokerClient:
        """Return the servers of students. Under xdist, the controller starts them."""
        return BrokerClient(self._broker) if self._broker else Servers(self.models, self.settings.rootdir, self._tell)

    def open_broker(self) -> str:
        """Return the address at which workers get servers; empty if no student needs a server."""
        wanted = any(self._serves(config) for config in self.models.values()) and not self.settings.prompts
        return self.servers.open_broker() if wanted and isinstance(self.servers, Servers) else ""

    @cached_property
    def machine(self) -> Machine:
        from pytest_upskill.devices.choose import choose

        settings = self.settings
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        return choose(self._device, settings.arch, settings.sanitizer, worker, sandbox=settings.sandbox)

    @cached_property
    def repeated(self) -> Settings:
        """Return the settings for commands that repeat items. On CI they include the device, because another machine
        repeats them.
        """
        here = self.settings.prompts or not on_ci()
        return self.settings if here else replace(self.settings, device=self.machine.device)

    @property
    def asks(self) -> bool:
        """Return whether any student may be queried whose replies are worth storing."""
        students = [self.student(name) for name in self.configs]
        judged = self.settings.replies not in ("replay", "kept") and not self.settings.prompts
        return any(not isinstance(student, Placeholder) and not is_at_hand(student.config) for student in students) or (
            judged and not all(map(is_at_hand, self.judges.values()))
        )

    @cached_property
    def ledger(self) -> Ledger:
        """Return the ledger of replies and claims, which the run's other processes share."""
        return Ledger(self.settings.rootdir, self.session, self.limits)

    @cached_property
    def until_decided(self) -> UntilDecided | None:
        """Return the object that ends the run early once the gates are decided; None without
        ``--upskill-until-decided``.
        """
        gates = self.settings.gates
        if not (gates and gates.until_decided) or self.settings.self_check or self.settings.prompts:
            return None
        from pytest_upskill.session.until_decided import UntilDecided

        return UntilDecided(gates, self.settings.rootdir / HOME / f"decided-{self.session}.jsonl")

    @property
    def limits(self) -> Limits:
        return Limits(self.settings.budget, self.settings.max_tokens)

    @property
    def counts_costs(self) -> bool:
        """Return whether the header shows the worst case, because a limit or a price is known."""
        limited = self.settings.budget is not None or self.settings.max_tokens is not None
        return self.asks and (limited or any(config.price for config in self.models.values()))

    @property
    def totals(self) -> Totals:
        """Return the session's requests, tokens and costs, summed over all its processes."""
        return self.ledger.totals() if "ledger" in self.__dict__ else Totals()

    def open_questions(self) -> Mapping[str, str]:
        """Return the open requests: by the key of the request, the student that it was sent to."""
        return self.ledger.open_questions() if "ledger" in self.__dict__ else {}

    def spending(self) -> str:
        """Return what was spent, in words; empty if no student was queried."""
        return spending(self.totals, self.limits)

    def source(self) -> str:
        """Return where the replies came from, in words; empty if nothing is unusual."""
        if self.settings.replies == "replay":
            return "replayed from cassettes, no student was queried"
        if self.settings.replies == "kept":
            return "stored ones, also to earlier prompts; no student was queried"
        totals = self.totals
        if "ledger" in self.__dict__ and not (totals.asked or totals.failed or totals.stopped):
            return "no student was queried: all replies were stored ones; --upskill-replies=live asks again"
        return ""

    @cached_property
    def replies(self) -> Replies:
        settings = self.settings
        return Replies(
            ledger=lambda: self.ledger,
            student=self.student,
            rootdir=settings.rootdir,
            mode=Mode(settings.replies),
            concurrency=settings.concurrency,
        )

    @cached_property
    def pipeline(self) -> Pipeline:
        from pytest_upskill.execution.pipeline import JudgeOptions, Pipeline

        settings = self.settings
        return Pipeline(
            machine=lambda: self.machine,
            replies=self.replies,
            options=JudgeOptions(
                settings.timeout, settings.arch, settings.sanitizer, settings.sandbox, settings.item_timeout
            ),
            rootdir=settings.rootdir,
            built=lambda: self.ledger.count_build() if "ledger" in self.__dict__ else None,
            prompts=settings.prompts,
            more_assertions=self._more_assertions,
            judge_of=lambda name: judges.judge_of(self.configs[name], self.judges),
        )

    def _more_assertions(self, case: Case, reply: Reply, kernel: Kernel | None) -> Iterable[Assertion]:
        for assertions in self._hook.pytest_upskill_assertions(case=case, reply=reply, kernel=kernel):
            yield from assertions

    def kept_replies(self) -> str:
        """Return the folder that holds this run's replies, in the form in which the user would type it."""
        return relpath(self.settings.rootdir / HOME / "replies", self.settings.invocation_dir)

    def close(self, at_once: bool = False) -> None:
        """End the run. Open requests are dropped if ``at_once``. If not, they are completed, because other workers may
        need them.
        """
        if "replies" in self.__dict__:
            self.replies.stop(at_once)
        for student in self._students.values():
            student.close()
        if "servers" in self.__dict__:
            self.servers.stop()
        if "pipeline" in self.__dict__:
            self.pipeline.close()
        if "replies" in self.__dict__:
            self.replies.close()

    def hurry(self) -> None:
        """End the waits of ``close``. A signal handler may call this."""
        if "replies" in self.__dict__:
            self.replies.hurry()

    def for_workers(self) -> dict[str, Any]:
        """Return the arguments of ``Run`` that xdist transfers to workers, so that they use this process's device and
        servers.
        """
        device = "" if self.settings.prompts else self.machine.device
        broker = self.open_broker()
        return {
            "seed": self.seed, "device": device, "session": self.session, "broker": broker, "explicit": self.explicit,
        }  # fmt: skip

    def forget(self) -> None:
        """Close the ledger and stop servers, after the last access to them."""
        if "servers" in self.__dict__:
            self.servers.stop()
        if "ledger" in self.__dict__:
            self.ledger.close()

    def describe(self) -> Mapping[str, str]:
        """Return the facts that the header shows, by label."""
        if self.settings.prompts:
            return {"prompts": str(self.settings.prompts)}
        unpriced = [config.name for config in self.models.values() if not (config.price or is_at_hand(config))]
        limits = limits_in_words(self.limits, unpriced) if self.asks else ""
        return {
            "device": self.machine.describe(),
            "sandbox": self.machine.confinement.describe(),
            **({"check": f"cases only: --upskill overrides '{unused}'"} if (unused := self.settings.unused) else {}),
            **dict(overrides(self.settings, list(self.models.values()))),
            **({"noise": f"the descriptions of {noise.count} other skills"} if (noise := self.settings.noise) else {}),
            **({"judge": ", ".join(self.judges)} if self.judges else {}),
            "seed": str(self.seed),
            **({"replies": _SOURCES[self.settings.replies]} if self.settings.replies in _SOURCES else {}),
            **({"budget": limits} if limits else {}),
            **({DEMO: demo.LABEL} if DEMO in self.configs else {}),
        }


def overrides(settings: Settings, configs: Sequence[StudentConfig]) -> Iterator[tuple[str, str]]:
    """Yield ``student NAME`` and the changed values with their source, for each student that differs from the built-in
    one.

    A repository's configuration can run commands and redirect keys, so a user must see these values before they are
    used.
    """
    pyproject = relpath(settings.rootdir / "pyproject.toml", settings.invocation_dir)
    for config in configs:
        table, builtin = settings.students_tables.get(config.name, {}), BUILTIN.get(config.name, {})
        changed = {key: table[key] for key in _SHOWN if key in table and table[key] != builtin.get(key)}
        if config.provider == "llama.cpp" and "base_url" in settings.origins:
            changed.pop("base_url", None)
        shown = ", ".join(f"{key} = {value!r}" for key, value in changed.items())
        texts = [f"{shown} ({pyproject})"] if changed else []
        if config.provider == "llama.cpp":
            values = {"base_url": settings.base_url, "serve": settings.serve}
            texts += [f"{key} = {values[key]!r} ({origin})" for key, origin in settings.origins.items()]
        if texts:
            yield f"student {config.name}", "; ".join(texts)
