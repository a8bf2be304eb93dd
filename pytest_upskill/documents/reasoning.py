"""Finds the answer in a reply: its fenced blocks and its text, without reasoning and without calls of tools.

Models mark their reasoning with tags. A server removes the tags only if it knows the model's format. ``FORMATS`` lists
the tags of all formats. Code and prose can quote a tag, which does not count then. In a fenced block, a tag counts only
at the start of a line, or directly before or after a fence. A tag that is a special token also counts elsewhere in a
line, unless a quote or a comment is before it. In prose, a tag with a backtick before it is a quotation.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, replace

from pytest_upskill.documents.markdown import Fence, FenceReader, fences, lines_of


@dataclass(frozen=True, slots=True)
class Format:
    """How models mark the parts of a reply. Each field of the format is a pattern of a tag, empty if there is no tag.

    Text from ``draft`` to ``draft_end`` is not part of the answer. If there is a ``draft_end`` without a ``draft``, all
    text before it is reasoning, because chat templates often write the opening tag themselves. This does not apply if
    ``lone`` is false. If there are blocks between the last ``answer`` and its ``answer_end``, no other blocks count. If
    ``final``, nothing before ``answer`` counts.
    """

    name: str
    draft: str = ""
    draft_end: str = ""
    answer: str = ""
    answer_end: str = ""
    lone: bool = True
    final: bool = False


_ATTRIBUTES = r"(?:[ \t][^<>]{0,100})?"


def _tags(names: str, lone: bool = True) -> Format:
    return Format(names, rf"<(?:{names}){_ATTRIBUTES}>", rf"</(?:{names})[ \t]*>", lone=lone)


def _call(name: str, begin: str, end: str) -> Format:
    return Format(name, begin, end, lone=False)


_BAR = "\uff5c"
"""The bar in DeepSeek's tags."""
_HEADER = r"(?:[^<>\n]{0,100}(?:<\|constrain\|>[^<>\n]{0,100})?<\|message\|>)?"
"""The rest of a header in OpenAI's Harmony format, with a recipient and a content type."""
_START = r"(?:<\|start\|>[^<>\n]{0,100})?<\|channel\|>[ ]?"
_THINK = r"(?:[\w-]{1,20}[:_-]|ant)?(?:think(?:ing)?|thoughts?)(?:[:_-]\w{1,20})?"
"""All names of the tag ``think``, such as ``seed:think``, ``longcat_think``, ``think_fast`` or ``inner-thoughts``."""
_IN_BRACKETS = r"(?:THINK(?:ING)?|THOUGHTS?|REASONING)"
_THOUGHT = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|system2)"
_START_WORD, _END_WORD = r"(?:start|begin)", r"(?:end|stop)"
_RESULT = r"(?:solution|response|answer|box)"
_ANSWER = (
    r"(?:(?:answer|solution|response|output)(?::\w{1,20})?|final(?:[_-](?:answer|solution|response|output|code))?)"
)
_CALL_TAG = r"(?:\w{1,20}[:_])?(?:tool|function)_?(?:calls?|use)"

FORMATS = (
    Format(
        "think",
        rf"<{_THINK}{_ATTRIBUTES}>|(?-i:\[{_IN_BRACKETS}\](?![(\[:]))|◁think▷",
        rf"</{_THINK}[ \t]*>|(?-i:\[/{_IN_BRACKETS}\])|◁/think▷",
    ),
    _tags(r"(?:\w{1,20}[:_])?reasoning"),
    *map(_tags, ("reflection", "analysis", "scratchpad", "rationale", "cot", "inner_monologue")),
    *(_tags(name, lone=False) for name in ("reason", "plan(?:ning)?", "draft")),
    Format(
        "Harmony",
        rf"{_START}(?:analysis|commentary){_HEADER}",
        r"<\|(?:end|call)\|>",
        rf"{_START}final{_HEADER}",
        r"<\|(?:end|return|call)\|>",
        lone=False,
        final=True,
    ),
    # What is left of such tags after a server has removed the special tokens; see ``_Scan``.
    Format("Harmony without tokens", r"(?:assistant)?analysis(?=[A-Z])", "", r"assistantfinal", "", final=True),
    Format(
        "Gemma",
        r"<\|channel>(?!final|answer|response)\w*",
        r"<channel\|>",
        r"<\|channel>(?:final|answer|response)",
        r"<channel\|>",
    ),
    Format("Gemma 3", r"<unused94>(?:thought)?", r"<unused95>"),
    Format("Pangu", r"\[unused16\]", r"\[unused17\]"),
    Format("Solar", r"<\|think\|>", r"<\|(?:/think|endthink|end)\|>", lone=False),
    Format("Apertus", r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    Format(
        "tokens",  # tags of Cohere, OpenThinker, GLM, MiniCPM and others
        rf"<\|(?:{_START_WORD}_?(?:of_?)?)?{_THOUGHT}(?:_?{_START_WORD})?\|>",
        rf"<\|(?:/|{_END_WORD}_?(?:of_?)?){_THOUGHT}\|>|<\|{_THOUGHT}_?{_END_WORD}\|>",
        rf"<\|{_START_WORD}_?(?:of_?)?{_RESULT}\|>|<\|{_RESULT}_?{_START_WORD}\|>",
        rf"<\|{_END_WORD}_?(?:of_?)?{_RESULT}\|>|<\|{_RESULT}_?{_END_WORD}\|>",
    ),
    Format("s1", r"<\|im_start\|>think\w*", "", r"<\|im_start\|>answer", "", final=True),
    Format("Granite", r"Here(?: i|')s my thought process:", "", r"Here(?: i|')s my response:", final=True),
    Format(
        "Apriel",
        r"Here are my reasoning steps:",
        "",
        r"\[BEGIN FINAL RESPONSE\]",
        r"\[END FINAL RESPONSE\]",
        final=True,
    ),
    Format(
        "Open WebUI",
        rf"<details[^<>]{{0,100}}\btype=[\"']?reasoning\b[^<>]{{0,100}}>|<summary>{_THOUGHT}\b[^<>]{{0,100}}"
        r"</summary>",
        r"</details>",
        lone=False,
    ),
    Format("Ollama", draft_end=r"\.\.\.done thinking\."),
    Format(
        "answer",
        answer=rf"<{_ANSWER}>|(?-i:\[(?:FINAL[ _])?(?:ANSWER|RESPONSE|SOLUTION)\](?![(\[:]))",
        answer_end=rf"</{_ANSWER}[ \t]*>|(?-i:\[/(?:FINAL[ _])?(?:ANSWER|RESPONSE|SOLUTION)\])",
    ),
    _call("XML call", rf"<{_CALL_TAG}{_ATTRIBUTES}>", rf"</{_CALL_TAG}>"),
    _call("Llama's XML call", r"<function(?:=|[ \t])[^<>]{1,100}>", r"</function>"),
    _call("Gemma call", r"<\|tool_call>", r"<tool_call\|>"),
    _call("Kimi call", r"<\|tool_calls_section_begin\|>", r"<\|tool_calls_section_end\|>"),
    _call("token call", r"<\|tool_calls?(?:_start|_begin)?\|>", r"<\|(?:/tool_calls?|tool_calls?_end)\|>"),
    _call(
        "DeepSeek call",
        rf"<{_BAR}tool[▁_]calls[▁_]begin{_BAR}>|<{_BAR}DSML{_BAR}\w{{1,20}}_calls>",
        rf"<{_BAR}tool[▁_]calls[▁_]end{_BAR}>|</{_BAR}DSML{_BAR}\w{{1,20}}_calls>",
    ),
    _call("Llama call", r"<\|python_tag\|>", r"<\|eom_id\|>"),
    _call("action call", r"<\|(?:START_ACTION|action_start)\|>", r"<\|(?:END_ACTION|action_end)\|>"),
    # The model goes on as if it were the user: nothing after this is its answer.
    _call(
        "another turn",
        r"(?:<\|(?:im_start|start|start_header_id|header_start|start_of_role|begin)\|>|<start_of_turn>|<\|turn>"
        r"|<extra_id_1>)(?:user|human|system|tool|observation)\b"
        r"|<\|(?:user|human|observation|im_user|user_token|system_token)\|>|\[\|user\|\]|(?-i:\[INST\]|<role>(?:HUMAN|OBSERVATION)</role>)"
        rf"|<{_BAR}User{_BAR}>",
        "",
    ),
)
"""All formats of reasoning and answers, and of calls of tools that the server should have removed from the text."""

_TOKENS = (
    r"<\|\w{1,40}\|>|</s>|\[\|\w{1,40}\|\]|\[unused\d{1,3}\]|(?-i:\[/INST\])|<extra_id_\d>|(?-i:<role>ASSISTANT</role>)"
    rf"|<(?:end_of_turn|turn\||start_of_turn|\|turn|bos|eos|{_BAR}(?:Assistant|(?:begin|end)▁of▁sentence){_BAR})>"
)
_TURN = rf"(?:{_TOKENS})(?:assistant\b|model\b)?(?:<\|end_header_id\|>)?"
"""Tokens between the messages of a chat, which are not part of the text."""
_CALLS = r"\[TOOL_CALLS\]"
"""The tag of Mistral's calls of tools. A name and JSON follow, without a tag at the end."""
_CALL_HEAD = re.compile(r"\w*(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*(?=[\[{])")
_PARTS = ("draft", "draft_end", "answer", "answer_end")
_PATTERNS = [getattr(row, part) for part in _PARTS for row in FORMATS]
_TAG = re.compile("|".join(filter(None, [*_PATTERNS, _CALLS, _TURN])), re.IGNORECASE)
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})")
_ONLY_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*\Z")
_QUOTES = re.compile(r"[\"'`#]|//|/\*|^[ \t]*\*")
_BARE_DRAFTS = ("analysis", "assistantanalysis")
_MOST_CALLS = 100
"""The JSON of at most this many calls is read, because a reply may consist of many calls."""
_DOCUMENTS = ("markdown", "md")


@functools.lru_cache(maxsize=1024)
def _roles(tag: str) -> dict[str, tuple[Format, ...]]:
    """For each field of ``Format`` that is a tag, the formats in which ``tag`` is this tag."""
    matches = {
        part: tuple(row for row in FORMATS if re.fullmatch(getattr(row, part) or r"(?!)", tag, re.IGNORECASE))
        for part in _PARTS
    }
    if tag.lower() in _BARE_DRAFTS:  # a look-ahead of the pattern would see nothing here
        matches["draft"] = (next(row for row in FORMATS if row.name == "Harmony without tokens"),)
    return matches


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of the answer in order, and whether the reasoning had blocks, too."""

    answer: tuple[Fence, ...]
    in_reasoning: bool


def answer_blocks(text: str) -> Blocks:
    """The blocks of a reply's answer. The time is linear in the length of the reply."""
    scan = _Scan(text)
    blocks = scan.marked_blocks or scan.blocks
    return Blocks(tuple(inner for block in blocks for inner in _unwrapped(block)), scan.dropped)


def answer_text(text: str) -> str:
    """The text of a reply without reasoning and calls of tools. A text without them is returned unchanged."""
    scan = _Scan(text)
    if not scan.tagged:
        return text
    marked = "".join(scan.marked_text)
    return marked if marked.strip() else "".join(scan.text)


def is_only_a_call(text: str) -> bool:
    """Whether a reply has no blocks, but a call of a tool in tags that the server should have removed from the text."""
    scan = _Scan(text)
    return scan.called and not scan.blocks and not scan.marked_blocks


class _Scan:
    """Reads a reply line by line.

    ``marked_blocks`` and ``marked_text`` are the blocks and the text between the tags of an answer.
    """

    def __init__(self, text: str) -> None:
        self.dropped = self.tagged = self.called = False
        self.blocks: list[Fence] = []
        self.marked_blocks: list[Fence] = []
        self.text: list[str] = []
        self.marked_text: list[str] = []
        self._draft: Format | None = None
        self._answer: Format | None = None
        self._reader = FenceReader()
        lines = lines_of(text)
        self._all = "\n".join(lines)
        bare = self._all.lstrip()
        self._without_tokens = bare.removeprefix("assistant").startswith(("analysis", "commentary"))
        self._calls = 0
        self._skip, begin = 0, 0
        for number, line in enumerate(lines, 1):
            self._number, self._begin = number, begin
            begin += len(line) + 1
            if begin > self._skip:
                self._line(line, max(0, self._skip - self._begin))
        self._end_block()

    def _line(self, line: str, start: int) -> None:
        pos, blank, plain = start, True, True
        if "<" in line or "[" in line or "◁" in line or self._without_tokens or line.startswith(("Here", "...")):
            for tag in _TAG.finditer(line, start):
                if tag.start() < pos:  # inside the JSON of a call
                    continue
                if self._draft is None:
                    gap = line[pos : tag.start()]
                    blank, plain = blank and not gap.strip(" \t"), plain and not _QUOTES.search(gap)
                    fence = pos == start and _ONLY_FENCE.match(gap) is not None
                    pos = tag.end()
                    if not self._counts(line, tag, blank, plain, fence):
                        blank, plain = False, plain and "`" not in tag[0]
                        continue
                    self._piece(line[start : tag.start()])
                if self._apply(tag[0], tag.end()):
                    self.tagged = self.tagged or self.called or any(_roles(tag[0]).values())
                    start = pos = max(tag.end(), self._skip - self._begin)
                    blank = plain = True
        self._rest(line, start)

    def _rest(self, line: str, start: int) -> None:
        rest = line[start:]
        if self._draft is not None:
            self.dropped = self.dropped or _FENCE.match(rest) is not None
            return
        if start == 0:
            self._feed(line)
        elif start <= len(line):
            self._piece(rest.lstrip(" \t"))
        (self.text if self._answer is None else self.marked_text).append("\n" if start else "")

    def _piece(self, text: str) -> None:
        """Read a part of a line."""
        if text:
            self._feed(text, end="")

    def _feed(self, line: str, end: str = "\n") -> None:
        marked = self._answer is not None
        (self.marked_text if marked else self.text).append(line + end)
        if (line or self._reader.inside) and (block := self._reader.feed(self._number, line)) is not None:
            (self.marked_blocks if marked else self.blocks).append(block)

    def _end_block(self) -> None:
        """If a block is open, end it, and keep it marked as not closed."""
        if (block := self._reader.end()) is not None:
            (self.blocks if self._answer is None else self.marked_blocks).append(block)
        self._reader = FenceReader()

    def _counts(self, line: str, tag: re.Match[str], blank: bool, plain: bool, fence: bool) -> bool:
        """Whether a tag counts and is not just quoted.

        The other arguments describe what is before the tag in its line. If ``blank``, there is nothing before it. If
        ``plain``, there is no quote and no comment before it. If ``fence``, there is only a fence before it.
        """
        text, roles = tag[0].lower(), _roles(tag[0])
        if line[: tag.start()].endswith("`") and not fence:
            return False
        special = "|" in text or _BAR in text or text == "[tool_calls]"
        before_fence = _FENCE.match(line, tag.end()) is not None
        if self._reader.inside:
            allowed = not roles["draft"] or special or fence
            header = text.startswith("<|start|>")  # comments do not quote whole headers
            return allowed and (blank or fence or header or (plain and (special or before_fence)))
        if text in (*_BARE_DRAFTS, "assistantfinal"):
            first = blank and not self.tagged and not self._all[: self._begin].strip()
            return self._without_tokens and (first or text == "assistantfinal")
        if roles["draft"] or not roles["answer"]:
            return blank or special or not roles["draft"]
        return blank or special or before_fence or not line[tag.end() :].strip()

    def _apply(self, tag: str, end: int) -> bool:
        """Change the state as the tag says. Return False if the tag has no meaning at this place."""
        roles = _roles(tag)
        if self._draft is not None and self._draft not in roles["draft_end"]:
            if not roles["answer"]:
                return False
        elif self._draft is not None:
            self._draft = None
            return True
        if roles["answer"]:
            return self._begin_answer(roles["answer"][0])
        if roles["draft"]:
            self._end_block()
            self._draft = roles["draft"][0]
            self.called = self.called or self._draft.name.endswith("call")
        elif self._answer is not None and self._answer in roles["answer_end"]:
            self._end_block()
            self._answer = None
        elif any(row.lone for row in roles["draft_end"]):
            self._drop()
        elif tag.upper() == "[TOOL_CALLS]":
            self._skip_call(end)
        elif roles["answer_end"] and "|" not in tag:
            return not self._reader.inside
        else:
            self._end_block()
        return True

    def _begin_answer(self, row: Format) -> bool:
        if row.final:
            self._drop()
        self._end_block()
        self.blocks += self.marked_blocks  # a later answer replaces an earlier one
        self.text += self.marked_text
        self.marked_blocks, self.marked_text = [], []
        self._draft, self._answer = None, row
        return True

    def _drop(self) -> None:
        """Drop everything that was read so far, because it was not part of the answer."""
        found = self.blocks or self.marked_blocks or self._reader.inside
        self.dropped, self._answer = self.dropped or bool(found), None
        self._reader = FenceReader()
        for read in (self.blocks, self.marked_blocks, self.text, self.marked_text):
            read.clear()

    def _skip_call(self, end: int) -> None:
        """Skip the JSON of the call that begins at column ``end`` of this line.

        If it is not valid JSON, reading continues with the next line.
        """
        self._calls += 1
        self.called = True
        self._end_block()
        head = _CALL_HEAD.match(self._all, self._begin + end)
        if head is None or self._calls > _MOST_CALLS:
            return
        try:
            self._skip = json.JSONDecoder(strict=False).raw_decode(self._all, head.end())[1]
        except (ValueError, RecursionError):
            self._skip = (self._all.find("\n", head.end()) + 1 or len(self._all) + 1) - 1


def _unwrapped(block: Fence) -> list[Fence]:
    """The blocks inside a block of Markdown, which some models put around the whole answer.

    A block in any other language is returned unchanged.
    """
    if block.language not in _DOCUMENTS:
        return [block]
    inner = list(fences(lines_of(block.source), block.line))
    return [replace(fence, closed=block.closed or fence.closed) for fence in inner] or [block]
