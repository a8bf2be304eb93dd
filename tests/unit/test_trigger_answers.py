"""Which skills an answer names."""

from __future__ import annotations

import pytest

from pytest_upskill.execution.triggers import named_in

KNOWN = ["tiny", "pdf-forms", "read-and-write", "\u8a9e"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("skill: tiny", ("tiny",)),
        ("`tiny`", ("tiny",)),
        ("**Skill:** `tiny`", ("tiny",)),
        ('{"skill": "tiny"}', ("tiny",)),
        ("The skill tiny is about kernels.\n\nskill: Tiny.", ("tiny",)),
        ("skill: pdf-forms\nNo, rather\nskill: tiny", ("tiny",)),
        ("skills: pdf-forms, tiny", ("pdf-forms", "tiny")),
        ("skill: pdf-forms and tiny", ("pdf-forms", "tiny")),
        ("skill: read-and-write", ("read-and-write",)),
        ("skill: \u8a9e", ("\u8a9e",)),
        ("skill: I would open tiny", ("tiny",)),
        ("skill: unheard-of", ("unheard-of",)),
        ("<think>skill: pdf-forms</think>\nskill: tiny", ("tiny",)),
        ("skill: none", ()),
        ("None.", ()),
        ("skill: none, although tiny comes near", ()),
        ("skill: no skill", ()),
        ("skill: none-such", ("none-such",)),
        ("", None),
        ("skill:", None),
        ("I would rather think about it.", None),
        ("I would not use tiny.", None),
        ("skill: I would not use tiny", None),
        ("skill: neither tiny nor pdf-forms", None),
        ("skill: I don't need tiny", None),
        ("unheard-of", None),
        ("tiny\npdf-forms", None),
        ("skill: whatever helps most here", None),
        ("skill: tiny or none", None),
        ("skill: none or tiny", None),
        ("skill: tiny, none", None),
        ("skill: none (tiny)", None),
        ("skill: no, tiny", None),
        ("skill: tiny or maybe nothing", None),
        ("skill: tiny/none", None),
        ("skill: tiny or pdf-forms", None),
        ("skill: tiny | pdf-forms", None),
        ("skill: tiny, or else pdf-forms", None),
        ("skill: maybe tiny", None),
        ("skill: tiny\n\nOn second thought, none.", None),
        ("skill: tiny\nNo, pdf-forms", None),
        ("skill: tiny\npdf-forms", None),
        ("skill: none\ntiny", None),
        ("skill: tiny\n\nIt is about kernels, as tiny is.\ntiny", ("tiny",)),
        ("skill: tiny\nNone of the others fits, and no skill is closer.", ("tiny",)),
        ("skill: none\nNone fits.", ()),
        ("skill: tiny?", None),
        ("skill: !tiny", None),
        ("skill: ~~tiny~~", None),
        ("skill: not tiny", None),
        ("skill: anything but tiny", None),
        ("skill: any other than tiny", None),
        ("skill: tiny\nskill: none", None),
        ("skill: none\n\nskill: tiny", None),
        ("skill: tiny\nskill: tiny", ("tiny",)),
        ("tiny or none", None),
        ("none or tiny", None),
        ("skill: tiny - none of the others fits", ("tiny",)),
        ("skill: tiny, nothing else", ("tiny",)),
        ("skill: none - no skill is about this", ()),
        ("skill: /tiny", ("tiny",)),
    ],
)
def test_a_line_or_a_lone_name_is_a_choice_and_nothing_else(text: str, named: tuple[str, ...] | None) -> None:
    assert named_in(text, KNOWN) == named
