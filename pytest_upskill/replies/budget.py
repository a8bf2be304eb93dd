"""The worst case of a question, and the limits and spending of a session in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_upskill.records import Prompt, Tokens
from pytest_upskill.replies.ledger import Limits, Totals, in_usd
from pytest_upskill.students import fields, reading
from pytest_upskill.students.base import StudentConfig

TEMPLATE_TOKENS = 256
"""An upper bound of the tokens that a chat template adds to a prompt."""
TOLD_TOKENS = 4096
"""An upper bound of the tokens of the feedback on a failed try (``turns.LONGEST_MESSAGE``)."""


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that one reply can cost. ``usd`` is None if the student's table has no price."""

    tokens: int
    usd: float | None


def worst_case(config: StudentConfig, prompt: Prompt) -> WorstCase:
    """Return an upper bound for one question: a token has at least one byte of the prompt, and a reply ends at
    ``max_tokens``.

    A student that may read files makes one more request for each round of reading, which sends everything it has read.
    """
    rounds = 1 + reading.most_rounds(prompt.files)
    texts = [prompt.system, prompt.user, *prompt.files.values()]
    texts += [text for exchange in prompt.earlier for text in (exchange.answer, exchange.told)]
    sent = sum(len(text.encode(errors="replace")) for text in texts) + TEMPLATE_TOKENS
    return _of_tokens(config, rounds * sent, rounds * longest_reply(config))


def _of_tokens(config: StudentConfig, sent: int, received: int = 0) -> WorstCase:
    """Return the worst case for a number of tokens, in which all ``sent`` tokens are written to the server's cache."""
    used, price = (Tokens(sent, received), Tokens(sent, received, written=sent)), config.price
    return WorstCase(sent + received, None if price is None else max(map(price.cost, used)))


def worst_conversation(config: StudentConfig, prompt: Prompt, turns: int) -> list[WorstCase]:
    """Return the upper bound of each of ``turns`` tries. Each later try also sends the earlier answers and the
    feedback.
    """
    first = worst_case(config, prompt)
    more = _of_tokens(config, (1 + reading.most_rounds(prompt.files)) * (longest_reply(config) + TOLD_TOKENS))
    usd = [None if first.usd is None or more.usd is None else first.usd + turn * more.usd for turn in range(turns)]
    return [WorstCase(first.tokens + turn * more.tokens, usd[turn]) for turn in range(turns)]


def longest_reply(config: StudentConfig) -> int:
    """Return the number of tokens after which the server ends a reply. ``options`` override ``max_tokens``, as in the
    request.
    """
    return fields.longest_reply(config.options, config.max_tokens)


def estimate(questions: Iterable[tuple[StudentConfig, Sequence[WorstCase]]], outdated: int = 0) -> str:
    """Return the worst case of a run in words.

    Each question comes with the worst case of each try, or with none if its reply is stored. ``outdated`` is the number
    of stored replies to earlier forms of the questions.
    """
    to_ask: dict[str, list[WorstCase]] = {}
    there = 0
    for config, worst in questions:
        there += not worst
        if worst:
            to_ask.setdefault(config.name, []).extend(worst)
    parts = [_of_student(name, worst) for name, worst in to_ask.items()]
    if there:
        parts.append(f"{there} {'reply is' if there == 1 else 'replies are'} there already")
    if outdated:
        parts.append(no_longer_match(outdated))
    return "; ".join(parts)


def no_longer_match(outdated: int) -> str:
    """Return, in words, how many stored replies answer earlier forms of a run's questions."""
    replies = "1 kept reply no longer matches" if outdated == 1 else f"{outdated} kept replies no longer match"
    return f"{replies} (the prompt or the student's settings have changed since)"


def _of_student(name: str, worst: Sequence[WorstCase]) -> str:
    number = f"{name}: {len(worst)} to ask"
    tokens = sum(one.tokens for one in worst)
    known = [one.usd for one in worst if one.usd is not None]
    if len(known) < len(worst):
        return f"{number}, at most {tokens:,} tokens (its price is not known)"
    return f"{number}, at most {in_usd(sum(known))} and {tokens:,} tokens"


def limits_in_words(limits: Limits, unpriced: Sequence[str]) -> str:
    """Return the budget of a session, and the students that a limit in USD does not cover; empty if there are no
    limits.
    """
    parts = [f"{in_usd(limits.usd)}"] if limits.usd is not None else []
    parts += [f"{limits.tokens:,} tokens"] if limits.tokens is not None else []
    if not parts:
        return ""
    text = f"at most {' and '.join(parts)} in this session"
    if limits.usd is None or not unpriced:
        return text
    unlimited = f"the price of {', '.join(unpriced)} is not known, so USD do not limit it"
    return f"{text}; {unlimited}: give 'price' in its table, or --upskill-max-tokens"


def spending(totals: Totals, limits: Limits) -> str:
    """What a session has spent, in words; empty if nothing was asked."""
    if not totals.asked and not totals.stopped:
        return ""
    of_usd = f" of {in_usd(limits.usd)}" if limits.usd is not None else ""
    of_tokens = f" of {limits.tokens:,}" if limits.tokens is not None else ""
    parts = [f"{in_usd(totals.usd)}{of_usd}"] if totals.tokens > totals.unpriced or of_usd else []
    parts.append(f"{totals.tokens:,}{of_tokens} tokens")
    text = f"{', '.join(parts)} on {totals.asked} new {'reply' if totals.asked == 1 else 'replies'}"
    if totals.unpriced:
        text += f"; {totals.unpriced:,} of the tokens have no known price"
    return f"{text}; {totals.stopped}" if totals.stopped else text
