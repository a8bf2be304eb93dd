"""Finds students by name, reads their tables, and creates them. A provider's module is imported on first use."""

import importlib
import importlib.util
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_upskill.cases.case import PUBLISHED
from pytest_upskill.documents.spelling import did_you_mean
from pytest_upskill.errors import UsageError
from pytest_upskill.skills.arms import MODES
from pytest_upskill.students import fields as request_fields
from pytest_upskill.students.base import ROLES, Price, Server, Student, StudentConfig
from pytest_upskill.students.builtin import BUILTIN, DEFAULT_LLAMA_URL
from pytest_upskill.students.files import LAYOUT

PROVIDERS = ("openai", "llama.cpp", "anthropic")
"""The values that ``provider`` can have in a table. Plugins may add others."""
_Read = Callable[[str, Any], Any]
"""Checks and converts a value. The first argument names the value's place for messages. Raises UsageError."""
_PROVIDERS: Mapping[str, tuple[str, str, str | None]] = {
    "golden": ("golden", "GoldenStudent", None),
    "files": ("files", "FilesStudent", None),
    "hub": ("hub", "HubStudent", None),
    "openai": ("openai", "OpenAIStudent", "openai"),
    "llama.cpp": ("llama_server", "LlamaServerStudent", "openai"),
    "anthropic": ("anthropic", "AnthropicStudent", "anthropic"),
}
"""By provider, the module in this package, the class, and the SDK that it needs."""
_RESERVED = ("golden", "demo")
"""Names that no table and no folder may have, because the items of these students are collected differently."""


def resolve(
    specs: Sequence[str], tables: Mapping[str, Mapping[str, Any]], invocation_dir: Path, base_url: str | None = None
) -> list[StudentConfig]:
    """Return the students that ``specs`` name, in order and each once.

    A spec is a name, several names separated by commas, ``files:DIR``, or ``files:LABEL=DIR``, with DIR relative to
    ``invocation_dir``. ``base_url`` replaces that of llama.cpp students. Raises UsageError.
    """
    for name in tables:
        if name in _RESERVED:
            problem = f"'{name}' is built in and takes no fields; rename the table"
            raise UsageError(f"[tool.upskill.students.{name}]: {problem}")
    found: dict[str, StudentConfig] = {}
    pieces = (piece.strip() for spec in specs for piece in re.split(r"[,\n]", spec))
    for spec in filter(None, pieces):
        config = _resolve_one(spec, tables, invocation_dir, base_url)
        if found.setdefault(config.name, config) != config:
            problem = f"two different students are called '{config.name}' (the second is {spec!r})"
            raise UsageError(f"--upskill-student: {problem}; give one of them another name with files:LABEL=DIR")
    return list(found.values())


def create(config: StudentConfig, server: Server | None = None) -> Student:
    """Return the student. ``server`` is the server that is started for it, if any.

    Raises UsageError for an unknown provider, or if the provider's SDK is not installed.
    """
    if config.provider not in _PROVIDERS:
        problem = f"unknown provider '{config.provider}'{did_you_mean(config.provider, PROVIDERS)}"
        rule = f"providers: {', '.join(PROVIDERS)}; a plugin for another one must be installed"
        raise UsageError(f"student '{config.name}': {problem} ({rule})")
    module_name, class_name, sdk = _PROVIDERS[config.provider]
    if sdk is not None:
        require(config.name, sdk, sdk)
    kind = getattr(importlib.import_module(f"pytest_upskill.students.{module_name}"), class_name)
    student: Student = kind(config) if server is None else kind(config, server=server)
    return student


def require(student: str, package: str, requirement: str) -> None:
    """Raise UsageError if a package that a student needs is not installed. ``requirement`` is what pip has to
    install.
    """
    if importlib.util.find_spec(package) is None:
        problem = f"student '{student}' needs the package '{package}', which is not installed"
        raise UsageError(f"{problem}; install it with: pip install {requirement}")


def _resolve_one(
    spec: str, tables: Mapping[str, Mapping[str, Any]], invocation_dir: Path, base_url: str | None
) -> StudentConfig:
    if spec == "files" or spec.startswith("files:"):
        return _files(spec, invocation_dir)
    if spec == "hub" or spec.startswith("hub:"):
        return _published(spec, invocation_dir)
    if spec not in tables and spec not in BUILTIN:
        known = sorted({*tables, *BUILTIN})
        raise UsageError(
            f"--upskill-student: unknown student '{spec}'{did_you_mean(spec, known)} (known: {', '.join(known)}; "
            f"or files:DIR for a folder of replies, hub:ORG/NAME@REVISION "
            f"for a published kernel, or a table [tool.upskill.students.{spec}] in pyproject.toml)"
        )
    config = _config_from_table(spec, tables.get(spec, {}), BUILTIN.get(spec))
    if config.provider != "llama.cpp":
        return config
    if base_url is not None:
        return replace(config, base_url=_endpoint_url("--upskill-base-url", base_url))
    return replace(config, base_url=config.base_url or DEFAULT_LLAMA_URL)


def _files(spec: str, invocation_dir: Path) -> StudentConfig:
    text = spec.removeprefix("files").removeprefix(":")
    label, equals, directory = (part.strip() for part in text.partition("="))
    if not equals or not _valid_name(label):
        label, directory = "files", text.strip()
    if not directory:
        raise UsageError(f"--upskill-student: {spec!r} names no folder; write files:DIR or files:LABEL=DIR")
    if label in _RESERVED:
        raise UsageError(f"--upskill-student: {spec!r}: '{label}' is built in; choose another label")
    folder = (invocation_dir / Path(directory).expanduser()).resolve()
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--upskill-student: {spec!r}: {folder} {reason}; expected a folder with {LAYOUT}")
    return StudentConfig(name=label, provider="files", concurrency=8, folder=folder)


def _published(spec: str, invocation_dir: Path) -> StudentConfig:
    from pytest_upskill.students.hub import LOCAL_KERNELS, overrides

    text = spec.removeprefix("hub").removeprefix(":").strip()
    label, equals, place = (part.strip() for part in text.partition("="))
    if not equals or not _valid_name(label):
        label, place = "", text
    forms = "hub:ORG/NAME@REVISION, hub:FOLDER or hub:LABEL=..., such as hub:kernels-community/activation@v1"
    if not place:
        raise UsageError(f"--upskill-student: {spec!r} names no kernel; write {forms}")
    folder, (repository, _, revision) = Path(place).expanduser(), place.partition("@")
    try:
        local = overrides()
    except ValueError as error:
        raise UsageError(str(error)) from None
    if repository not in local and (place.startswith((".", "/", "~")) or (invocation_dir / folder).is_dir()):
        model = str((invocation_dir / folder).resolve())
        if not Path(model).is_dir():
            raise UsageError(f"--upskill-student: {spec!r}: {model} is not a folder; name one with a built kernel")
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UsageError(f"--upskill-student: {spec!r} is neither a folder nor a repository; write {forms}")
    elif not revision and repository not in local:
        rule = f"a published kernel needs a revision (a branch, a tag or a commit), or a folder in {LOCAL_KERNELS}"
        raise UsageError(f"--upskill-student: {spec!r}: {rule}: {spec}@v1")
    else:
        model = place
    label = label or Path(model.partition("@")[0]).name
    if not _valid_name(label) or label in (*_RESERVED, *BUILTIN):
        raise UsageError(f"--upskill-student: {spec!r}: {label!r} cannot be a student's name; write hub:LABEL={place}")
    return StudentConfig(name=label, provider=PUBLISHED, model=model, concurrency=8)


def _valid_name(name: str) -> bool:
    """Return whether a name has only letters, digits, dots, dashes and underscores, because it is part of ids and
    folders.
    """
    return re.fullmatch(r"\w[\w.\-]*", name) is not None


def _config_from_table(name: str, table: Mapping[str, Any], builtin: Mapping[str, Any] | None = None) -> StudentConfig:
    """Return the student ``name``. The table's fields override those of the built-in student. Raises UsageError."""
    where = f"[tool.upskill.students.{name}]"
    if not _valid_name(name):
        raise UsageError(f"{where}: a student's name is made of letters, digits, '.', '-' and '_', not {name!r}")
    for field in table:
        if field not in _READERS:
            hint = f"{did_you_mean(field, _READERS)} (fields: {', '.join(_READERS)})"
            raise UsageError(f"{where}: unknown field '{field}'{hint}")
    fields = {key: _READERS[key](f"{where}: {key}", value) for key, value in {**(builtin or {}), **table}.items()}
    if extra := fields.pop(request_fields.EXTRA, None):
        options = fields.get("options", {})
        fields["options"] = {**options, request_fields.EXTRA: {**options.get(request_fields.EXTRA, {}), **extra}}
    config = StudentConfig(name=name, **{"provider": "", **fields})
    if not config.provider:
        raise UsageError(f"{where}: 'provider' is missing; give one of {', '.join(PROVIDERS)}")
    if not config.model and config.provider in PROVIDERS:
        raise UsageError(f"{where}: 'model' is missing; give the name by which the endpoint knows the model")
    return config


def _field(
    expected: str, accepts: Callable[[Any], object], convert: Callable[[Any], Any] = lambda value: value
) -> _Read:
    """Return a reader of a field. It converts a value if ``accepts`` is true, else its error says what was
    ``expected``.
    """

    def read(what: str, value: Any) -> Any:
        if not accepts(value):
            raise UsageError(f"{what} = {value!r}: expected {expected}")
        return convert(value)

    return read


def _number(low: float, high: float, expected: str, kind: type[int] | type[float] = float) -> _Read:
    kinds = (int,) if kind is int else (int, float)
    return _field(expected, lambda one: type(one) in kinds and low <= one <= high, kind)


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
        return is_http and parts.port != 0 and value.split() == [value]
    except ValueError:  # an invalid port, half an IPv6 address
        return False


def _variable(what: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # The value is not shown, because people paste the key itself here.
        expected = "the name of an environment variable that holds the key, such as EXAMPLE_API_KEY"
        raise UsageError(f"{what}: expected {expected}, never the key itself")
    return value


def _price(what: str, value: Any) -> Price:
    example = "{in = 0.6, out = 2.5, cached = 0.15} ('cached' and 'written' may be left out)"
    expected, names = f"USD per million tokens, such as {example}", {"in", "out", "cached", "written"}
    table = _field(expected, lambda one: isinstance(one, Mapping) and {"in", "out"} <= one.keys() <= names)(what, value)
    rate = _number(0, 1e6, f"a number from 0 to 1000000: {expected}")
    rates = {key: rate(f"{what}.{key}", amount) for key, amount in table.items()}
    return Price(rates["in"], rates["out"], rates.get("cached", rates["in"]), rates.get("written"))


def _options(what: str, value: Any) -> dict[str, Any]:
    options: dict[str, Any] = _table("a table of further fields of each request")(what, value)
    if (problem := request_fields.problem(options)) is not None:
        name, expected = problem
        raise UsageError(f"{what}.{name} = {options[name]!r}: expected {expected}")
    return options


def _table(expected: str) -> _Read:
    return _field(expected, lambda one: isinstance(one, Mapping), dict)


_text = _field("a text that is not empty", lambda text: isinstance(text, str) and text.strip(), str.strip)
_endpoint_url = _field("a URL such as http://127.0.0.1:8080/v1", _is_url, lambda url: url.rstrip("/"))
_READERS: Mapping[str, _Read] = {
    "provider": _field(  # a plugin may add a provider, so an unknown one is an error only when the student is created
        f"one of {', '.join(PROVIDERS)}, or that of a plugin",
        lambda one: isinstance(one, str) and _valid_name(one) and one != "files",
    ),
    "model": _text,
    "base_url": _endpoint_url,
    "api_key_env": _variable,
    "temperature": _number(0, 2, "a number from 0 to 2"),
    "max_tokens": _number(1, 10_000_000, "a whole number from 1 to 10000000", int),
    "timeout": _number(math.nextafter(0, 1), 86_400, "a number of seconds above 0, at most 86400"),
    "concurrency": _number(1, 1024, "a whole number from 1 to 1024", int),
    "price": _price,
    "serve": _text,
    "disclosure": _field(f"one of {', '.join(MODES)}", lambda mode: mode in MODES),
    "options": _options,
    "extra_body": _table("a table of fields that are added to each request"),
    "system": _field(f"one of {', '.join(ROLES)}", lambda role: role in ROLES),
}
"""The fields of a table, each with the function that checks it."""
