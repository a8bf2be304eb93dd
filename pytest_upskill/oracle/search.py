"""Uses Hypothesis to generate examples in small batches, and to shrink a failing example.

The user's profile, database and ``.hypothesis`` folder are not used. A batch has at most nine examples, because after
ten examples Hypothesis begins to mutate earlier ones instead of drawing new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from pytest_upskill.oracle.hypothesis_folder import own_folder
from pytest_upskill.oracle.isolation import stable_hash
from pytest_upskill.oracle.signal_handlers import passing_through
from pytest_upskill.records import Example

Strategy = st.SearchStrategy[Example]
_NO_CONSTANTS = Constants()
_constants: LRUCache[object, object] = LRUCache(1024)

BATCH = 9
LARGE = 2
"""The smallest number of large examples of a dtype that has at least five examples."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A few examples that are drawn together.

    ``index`` counts the batches of a dtype. If ``family`` is not empty, all examples of the batch have this family of
    values; otherwise each example draws its own. The dims in ``upper`` are in the upper half of their range.
    """

    dtype: str
    index: int
    count: int
    large: bool
    family: str = ""
    upper: tuple[str, ...] = ()


class Stop(BaseException):
    """Ends a search from inside. It is not an Exception, because Hypothesis treats Exceptions as failing examples."""


class Fails(AssertionError):
    """Tells Hypothesis that an example fails."""


def plan(dtype: str, examples: int, forced: str = "", uppers: Sequence[tuple[str, ...]] = ()) -> list[Batch]:
    """The batches for ``examples`` examples of a dtype.

    The last examples are large: one for each of ``uppers``, but at most a third of all examples and at least two. If
    there are only three or four examples, one is large, and if there are fewer, none is. A ``forced`` family is used
    for about an eighth of the small examples and for the first large example.
    """
    least = LARGE if examples >= 5 else examples // 3
    large = max(least, min(len(uppers), examples // 3))
    small = examples - large
    with_family = (small + BATCH // 3) // BATCH if forced else 0
    free = small - with_family
    sizes: list[tuple[int, bool, str, tuple[str, ...]]]
    sizes = [(min(BATCH, free - start), False, "", ()) for start in range(0, free, BATCH)]
    sizes += [(with_family, False, forced, ())]
    drawn = [uppers[index % len(uppers)] if uppers else () for index in range(large)]
    sizes += [(1, True, "" if index else forced, upper) for index, upper in enumerate(drawn)]
    return [Batch(dtype, index, *one) for index, one in enumerate(one for one in sizes if one[0])]


def generate(batch: Batch, strategy: Strategy, seed: int, visit: Callable[[Example], None]) -> None:
    """Call ``visit`` with each example of a batch. ``visit`` may reject an example (``hypothesis.reject``).

    ``visit`` may raise ``Stop`` to end the search, and the caller gets that exception. It must raise no Exception.
    """

    def test(example: Example) -> None:  # Hypothesis needs a named parameter
        visit(example)

    with passing_through(), own_folder(), _own_constants(), suppress(Unsatisfiable):
        _run(test, batch, strategy, seed, (Phase.generate,))


def shrink(batch: Batch, strategy: Strategy, seed: int, fails: Callable[[Example], bool]) -> None:
    """Draw a batch again and let Hypothesis simplify the first example for which ``fails`` returns true.

    Nothing is returned, so ``fails`` must record the examples that it sees. Hypothesis's own result is not used,
    because it is unreliable for a kernel with state, and because ``fails`` may end the search with ``Stop``.
    """

    def test(example: Example) -> None:
        if fails(example):
            raise Fails

    # This is Fails, as expected, or Flaky, or another exception that a kernel with state causes.
    with passing_through(), own_folder(), _own_constants(), suppress(Exception, Stop):
        _run(test, batch, strategy, seed, (Phase.generate, Phase.shrink))


def _run(
    test: Callable[[Example], None], batch: Batch, strategy: Strategy, seed: int, phases: tuple[Phase, ...]
) -> None:
    wanted = settings(
        max_examples=batch.count,
        phases=phases,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        backend="hypothesis",
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    given = hypothesis.given(strategy)(test)
    hypothesis.seed(stable_hash("lot", seed, batch.dtype, batch.index))(wanted(given))()


@contextmanager
def _own_constants() -> Iterator[None]:
    """Keep Hypothesis from drawing constants that it finds in imported modules.

    The same seed must draw the same examples, whatever is imported, and reading all these modules takes a while. This
    context has no effect on versions of Hypothesis that do not collect constants.
    """
    replaced = {"_get_local_constants": lambda: _NO_CONSTANTS, "CONSTANTS_CACHE": _constants}
    before = {name: getattr(providers, name) for name in replaced if hasattr(providers, name)}
    for name in before:
        setattr(providers, name, replaced[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(providers, name, value)
