"""Expresses sizes of tensors by the sizes that a problem can vary, from runs with other sizes. Does not need torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

from pytest_upskill.documents.expression import parse
from pytest_upskill.documents.identifiers import refusal

Key = tuple[str, str, int | str]
"""What a size belongs to: a kind, a name, and an axis (or a word for another number, such as "high")."""
Sizes = dict[Key, int]
Values = tuple[int, ...]

_DIVISORS = (2, 3, 4, 8, 16)
_DELTAS = (1, 2, 4, 8, 16)


def fit(
    sizes: Callable[[Values], Sizes | None], base: Values, names: Mapping[int, str], samples: Sequence[Values]
) -> dict[Key, str] | str:
    """Express each size by ``names``, the names of the sites that vary. If a size cannot be expressed, return a text
    that says why.

    ``sizes`` returns the sizes for the values of all sites, or None if these values do not work. ``samples`` are values
    that work; every expression must be right for all of them.
    """
    first = sizes(base)
    assert first is not None
    moved = {site: _moved(sizes, base, site, first) for site in names}
    runs = [(one, found) for one in samples if (found := sizes(one)) is not None and found.keys() == first.keys()]
    texts: dict[Key, str] = {}
    for key, size in first.items():
        effect = {site: other for site in names if (other := moved[site]) is not None and other[1][key] != size}
        right = (
            text
            for text in _candidates(key, size, base, names, effect)
            if all(_value(text, one, names) == found[key] for one, found in [(base, first), *effect.values(), *runs])
        )
        found_text = next(right, None)
        if found_text is None:
            kind, name, axis = key
            return f"size {axis} of {kind} {name} follows from {_listed(effect, names)} in a way that no case can state"
        texts[key] = found_text
    return texts


Moved = tuple[Values, Sizes]


def _moved(sizes: Callable[[Values], Sizes | None], base: Values, site: int, first: Sizes) -> Moved | None:
    """Sizes after a change of one site. None if no changed value works."""
    for delta in _DELTAS:
        values = (*base[:site], base[site] + delta, *base[site + 1 :])
        if (found := sizes(values)) is not None and found.keys() == first.keys():
            return values, found
    return None


def _candidates(
    key: Key, size: int, base: Values, names: Mapping[int, str], effect: Mapping[int, Moved]
) -> Iterable[str]:
    if not effect:
        yield str(size)
        return
    product = prod(base[site] for site in effect)
    if product and size % product == 0:
        yield " * ".join([*([str(size // product)] if size != product else []), *(names[site] for site in effect)])
    terms, constant = [], size
    for site, (values, found) in effect.items():
        change, delta = found[key] - size, values[site] - base[site]
        if delta == 0 or change % delta:
            break
        slope = change // delta
        constant -= slope * base[site]
        terms.append(names[site] if slope == 1 else f"{slope} * {names[site]}")
    else:
        text = " + ".join(terms)
        yield text + (f" + {constant}" if constant > 0 else f" - {-constant}" if constant < 0 else "")
    for site in effect:
        yield from (f"{names[site]} // {divisor}" for divisor in _DIVISORS)


def _value(text: str, values: Values, names: Mapping[int, str]) -> int:
    return int(parse(text).evaluate({name: values[site] for site, name in names.items()}))


def _listed(effect: Mapping[int, Moved], names: Mapping[int, str]) -> str:
    return " and ".join(f"'{names[site]}'" for site in effect) or "its sizes"


_RESULTS = ("out", *(f"out{number}" for number in range(32)))
"""The names of results for which the problem gives no names."""


def told_names(wanted: Mapping[int, str], taken: Iterable[str]) -> dict[int, str]:
    """Names that arguments and dims of a case can have: all different, and as close to the wanted names as possible."""
    used, found = {*taken, *_RESULTS}, {}
    for key, name in wanted.items():
        tidy = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", name)).strip("_") or "x"
        tidy = f"n{tidy}" if tidy[0].isdigit() else tidy
        options = (tidy, f"{tidy}_size", *(f"{tidy}_{number}" for number in range(2, 1000)))
        found[key] = next(one for one in options if one not in used and refusal(one) is None and one != "min")
        used.add(found[key])
    return found
