"""Reads the fields of a JSON object that somebody else may have written, and checks each one's type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

LARGEST_COUNT = 2**53
"""Integers above it are not the same number in every reader of JSON (RFC 8259, 6)."""
DEEPEST = 32
"""Levels of a nested value; deeper ones would exhaust the stack of whatever walks through them."""
_QUOTED = 60
_REQUIRED = object()


class FieldError(ValueError):
    """A text that is no JSON object, or a field of another type: names the field, its value and what it must be."""


def parse(text: str | bytes) -> Fields:
    """The object in ``text``. Raises FieldError where it holds anything else, NaN and Infinity included."""
    try:
        return Fields(json.loads(text, parse_constant=_no_number))
    except json.JSONDecodeError as error:
        raise FieldError(f"it is not valid JSON ({error.msg} at character {error.pos + 1})") from None
    except UnicodeDecodeError as error:
        raise FieldError(f"it is not valid UTF-8 (byte {error.start + 1})") from None
    except RecursionError:
        raise FieldError("it is nested too deeply") from None
    except FieldError:
        raise
    except ValueError:  # int() refuses thousands of digits
        raise FieldError("it holds a number with too many digits") from None


class Fields:
    """One object. A field that is missing has its default; without a default it is required.

    With ``lenient``, a value of a wrong type counts as missing. ``place`` is the object's own name in messages.
    """

    def __init__(self, value: object, place: str = "", lenient: bool = False) -> None:
        if not isinstance(value, dict):
            raise FieldError(f"{place or 'it'} is {_shown(value)}; it must be an object")
        self._values: dict[str, Any] = value
        self._place = place
        self._lenient = lenient

    def text(self, name: str, default: object = _REQUIRED) -> str:
        value: str = self._read(name, default, lambda value: isinstance(value, str), "a text")
        return value

    def texts(self, name: str, default: object = _REQUIRED) -> tuple[str, ...]:
        return tuple(self._read(name, default, _are_texts, "a list of texts"))

    def count(self, name: str, default: object = _REQUIRED, least: int = 0) -> int:
        expected = f"a whole number from {least} to 2^53"
        value: int = self._read(name, default, lambda value: _is_count(value, least), expected)
        return value

    def count_or_none(self, name: str) -> int | None:
        value: int | None = self._read(
            name, None, lambda value: value is None or _is_count(value, 0), "a whole number from 0 to 2^53, or null"
        )
        return value

    def number_or_none(self, name: str) -> float | None:
        """Finite, and at least 0."""
        value: float | None = self._read(
            name, None, lambda value: value is None or _is_amount(value), "a finite number of at least 0, or null"
        )
        return value

    def number(self, name: str, default: object = _REQUIRED) -> float:
        """Finite, and at least 0."""
        value: float = self._read(name, default, _is_amount, "a finite number of at least 0")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object whose fields are not ours: any JSON, but finite, and of bearable depth. Empty where missing."""
        expected = f"an object of finite values, nested at most {DEEPEST} levels deep"
        value: dict[str, Any] = self._read(
            name, {}, lambda value: isinstance(value, dict) and _is_bearable(value), expected
        )
        return value

    def numbers(self, name: str) -> Mapping[str, float]:
        """An object whose values are all numbers; empty where missing."""
        value: dict[str, float] = self._read(name, {}, _are_numbers, "an object of finite numbers")
        return value

    def fields(self, name: str, default: object = _REQUIRED, lenient: bool = False) -> Fields:
        """An object inside of this one."""
        value = self._read(name, default, lambda value: isinstance(value, dict), "an object")
        return Fields(value, self._name(name), lenient)

    def _read(self, name: str, default: object, accepts: Callable[[Any], bool], expected: str) -> Any:
        value = self._values.get(name, default)
        if value is _REQUIRED:
            raise FieldError(f"'{self._name(name)}' is missing; it must be {expected}")
        if accepts(value):
            return value
        if self._lenient and default is not _REQUIRED:
            return default
        raise FieldError(f"'{self._name(name)}' is {_shown(value)}; it must be {expected}")

    def _name(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name


def _no_number(word: str) -> object:
    raise FieldError(f"it holds {word}; numbers must be finite")


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_COUNT


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST_COUNT


def _is_amount(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(_is_finite(one) for one in value.values())


def _is_bearable(value: object, room: int = DEEPEST) -> bool:
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return room > 0 and all(_is_bearable(one, room - 1) for one in inside)
    return value is None or isinstance(value, bool | str) or _is_finite(value)


def _shown(value: object) -> str:
    """As JSON in ASCII, so that nothing in it can steer a terminal; cut to a bearable length."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."
