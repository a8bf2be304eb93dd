"""Students without a model: folders of replies, the case's own solution, and the layout in which replies are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.cases.case import Case, Snippet
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Prompt, Question, Reply
from pytest_upskill.students import files as layout
from pytest_upskill.students.base import Student, StudentConfig
from pytest_upskill.students.registry import create, resolve

ARMS = ("skill", "baseline", "previous-v1")
HERE = Path("/")


def case(solution: str | None = None, name: str = "scale") -> Case:
    path = Path(f"/skills/tiny/evals/{name}.md")
    snippet = Snippet(solution, 20, path) if solution is not None else None
    return Case(name=name, skill="tiny", path=path, task="Scale it.", op=None, solution=snippet)


def question(arm: str = "skill", trial: int = 1, name: str = "scale", skill: str = "tiny") -> Question:
    return Question(skill, name, arm, trial, Prompt("Be exact.\n", "\nScale `x`.\n"))


def files(folder: Path) -> Student:
    (config,) = resolve([f"files:{folder}"], {}, HERE)
    return create(config)


def golden() -> Student:
    return create(StudentConfig(name="golden", provider="golden"))


def write(folder: Path, name: str, data: bytes = b"text") -> Path:
    path = folder / "tiny" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


# --------------------------------------------------------------------------------------------- files


def test_each_arm_and_trial_has_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ("scale.skill.md", "scale.skill-2.md", "scale.baseline.md", "shift.skill.md"):
        write(tmp_path, name, name.encode())
    student = files(tmp_path)
    assert student.ask(question(), case()).text == "scale.skill.md"
    assert student.ask(question(trial=2), case()).text == "scale.skill-2.md"
    assert student.ask(question("baseline"), case()).text == "scale.baseline.md"
    assert student.ask(question(name="shift"), case()).text == "shift.skill.md"


@pytest.mark.parametrize(
    ("present", "arms"),
    [
        (["scale.skill.md"], ("skill",)),
        (["shift.previous-v1.md", "scale.baseline.md"], ("baseline", "previous-v1")),
        (["scale.skill-3.md"], ("skill",)),
        (["scale.skill-x.md", "scale.skills.md", "other.skill.md", "scale.md"], ()),
        ([], ()),
    ],
)
def test_an_arm_is_asked_where_any_case_has_a_file_for_it(tmp_path: Path, present: list[str], arms: tuple[str]) -> None:
    for name in present:
        write(tmp_path, name)
    assert files(tmp_path).arms_for("tiny", ARMS, ["scale", "shift"]) == arms


def test_a_missing_reply_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(StudentError) as caught:
        files(tmp_path).ask(question(trial=2), case())
    assert str(caught.value) == (
        f"student 'files': there is no reply at {tmp_path / 'tiny' / 'scale.skill-2.md'}; write one there, or leave "
        f"the case out with -k"
    )


def test_a_reply_that_is_no_file_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "tiny" / "scale.skill.md").mkdir(parents=True)
    with pytest.raises(
        StudentError, match=r"scale\.skill\.md cannot be read \(Is a directory\); it must be a text file"
    ):
        files(tmp_path).ask(question(), case())


def test_bytes_that_are_no_text_are_replaced_and_everything_else_stays(tmp_path: Path) -> None:
    write(tmp_path, "scale.skill.md", b"\xef\xbb\xbfa\x00b\r\nc\xff\xc3\xa4\n")
    assert files(tmp_path).ask(question(), case()).text == "a\x00b\r\nc\ufffd\u00e4\n"


TEXT = "Größer:\r\n\r\n```cuda\n// λ\nvoid f() {}\n```\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_a_reply_in_another_unicode_encoding_is_read_and_named(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "scale.skill.md", TEXT.encode(encoding))
    reply = files(tmp_path).ask(question(), case())
    assert reply.text == TEXT
    named = "" if encoding == "utf-8-sig" else f"the reply at {path} was read as {encoding.upper()}"
    assert reply.details.note.startswith(named)
    assert bool(reply.details.note) is bool(named)


def test_a_reply_that_is_not_unicode_is_named_with_its_first_byte(tmp_path: Path) -> None:
    write(tmp_path, "scale.skill.md", "void f() {}\n// größer\n".encode("cp1252"))
    reply = files(tmp_path).ask(question(), case())
    assert reply.text == "void f() {}\n// gr\ufffd\ufffder\n"
    assert (
        "was read as UTF-8 with replacements (byte 0xf6 in line 2 is not UTF-8); save it in UTF-8" in reply.details.note
    )


@pytest.mark.parametrize("data", [b"PK\x03\x04word/document.xml", b"%PDF-1.7\n", b"\x1f\x8b\x08\x00"])
def test_a_document_of_a_program_is_refused(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, "scale.skill.md", data)
    with pytest.raises(StudentError, match=r"scale\.skill\.md is not text \(.*\); save it as plain text in UTF-8"):
        files(tmp_path).ask(question(), case())


@pytest.mark.parametrize("data", [b"", b"a", b"\0", b"a\0b\0\0c", "Ωμέγλ\n".encode()])
def test_short_and_odd_texts_are_utf_8(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, "scale.skill.md", data)
    reply = files(tmp_path).ask(question(), case())
    assert (reply.text, reply.details.note) == (data.decode(), "")


# --------------------------------------------------------------------------------------------- golden


def test_golden_answers_with_the_solution_in_a_fence() -> None:
    reply = golden().ask(question(), case("void f() {}\n"))
    assert reply.text == "```cuda\nvoid f() {}\n```\n"
    assert reply.cost_usd == 0.0


def test_golden_closes_its_fence_on_a_line_of_its_own_whatever_the_solution_holds() -> None:
    assert golden().ask(question(), case("int a;")).text == "```cuda\nint a;\n```\n"
    assert golden().ask(question(), case("// ```\nint a;\n")).text == "````cuda\n// ```\nint a;\n````\n"


def test_golden_is_asked_in_the_skill_arm_alone() -> None:
    assert golden().arms_for("tiny", ARMS, ["scale"]) == ("skill",)
    assert golden().arms_for("tiny", ("baseline",), ["scale"]) == ()


def test_golden_cannot_answer_a_case_without_a_solution() -> None:
    assert golden().can_answer(case("x"))
    assert not golden().can_answer(case())
    with pytest.raises(
        StudentError, match=r"case 'scale' has no solution \(.*scale\.md\); add one under '## Solution'"
    ):
        golden().ask(question(), case())


# --------------------------------------------------------------------------------------------- layout


def test_a_reply_is_kept_where_the_files_student_reads_it(tmp_path: Path) -> None:
    text = "a\r\nb\x00 π"
    path = layout.keep_reply(tmp_path, "glm-4.7", question(trial=2), Reply(text))
    assert path == tmp_path / ".upskill/replies/glm-4.7/tiny/scale.skill-2.md"
    assert files(layout.replies_folder(tmp_path, "glm-4.7")).ask(question(trial=2), case()).text == text


def test_what_runs_leave_behind_is_ignored_by_git(tmp_path: Path) -> None:
    layout.keep_reply(tmp_path, "x", question(), Reply("a"))
    assert (tmp_path / ".upskill/.gitignore").read_text() == "*\n"


def test_a_gitignore_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".upskill").mkdir()
    (tmp_path / ".upskill/.gitignore").write_text("!replies\n")
    layout.keep_reply(tmp_path, "x", question(), Reply("a"))
    assert (tmp_path / ".upskill/.gitignore").read_text() == "!replies\n"


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    odd = question(arm="../../a", name="../../../etc/passwd", skill="..")
    path = layout.keep_reply(tmp_path / "root", "../../evil", odd, Reply("a"))
    assert path.resolve().is_relative_to((tmp_path / "root/.upskill/replies").resolve())
    assert [entry.name for entry in tmp_path.iterdir()] == ["root"]


def test_a_text_that_has_no_utf8_is_kept_all_the_same(tmp_path: Path) -> None:
    assert layout.keep_reply(tmp_path, "x", question(), Reply("a\ud800b")).read_text() == "a?b"


def test_writers_of_the_same_file_never_mix(tmp_path: Path) -> None:
    texts = [letter * 200_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda text: layout.keep_reply(tmp_path, "x", question(), Reply(text)), texts))
    (path,) = paths
    assert path.read_text() in texts
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_prompt_is_written_under_two_headings(tmp_path: Path) -> None:
    path = layout.write_prompt(tmp_path, question("baseline", trial=2))
    assert path == tmp_path / "tiny/scale.baseline-2.md"
    assert path.read_text() == "# System\n\nBe exact.\n\n# User\n\nScale `x`.\n"


# --------------------------------------------------------------------------------------------- skills of one name


def of(place: str, apart: bool = False, trial: int = 1) -> Question:
    return replace(question(trial=trial), place=place, apart=apart)


def test_skills_of_one_name_never_share_the_file_of_a_reply(tmp_path: Path) -> None:
    """Whether they are judged in one run or one after the other, and however they are read again."""
    replies = layout.replies_folder(tmp_path, "pupil")
    for alone in (of("skills/tiny"), of(".claude/skills/tiny"), of("skills/tiny", trial=2)):
        layout.keep_reply(tmp_path, "pupil", alone, Reply(f"{alone.place} {alone.trial}"))
    for together in (of("skills/tiny", apart=True), of("../tiny", apart=True), of("./tiny", apart=True)):
        layout.keep_reply(tmp_path, "pupil", together, Reply(f"{together.place} together"))
    asked = [of("skills/tiny"), of("skills/tiny", trial=2), of(".claude/skills/tiny"), of("../tiny"), of("./tiny")]
    assert [files(replies).ask(one, case()).text for one in asked] == [
        "skills/tiny together", "skills/tiny 2", ".claude/skills/tiny 1", "../tiny together", "./tiny together",
    ]  # fmt: skip
    assert layout.path_of(replies, of("skills/tiny")) == replies / "tiny/scale.skill.md"
    assert sorted(path.name for path in (replies / "tiny").iterdir()) == [
        ".skill",
        "scale.skill-2.md",
        "scale.skill.md",
    ]


def test_the_prompts_of_skills_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [layout.write_prompt(tmp_path, of(place, apart=True)) for place in ("skills/tiny", ".codex/skills/tiny")]
    shown = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert shown == ["skills/tiny/scale.skill.md", "_codex/skills/tiny/scale.skill.md"]
    assert layout.write_prompt(tmp_path, of("lib/tiny")) == tmp_path / "tiny/scale.skill.md"


def test_answers_by_name_serve_a_skill_unless_there_are_some_for_it_alone(tmp_path: Path) -> None:
    write(tmp_path, "scale.skill.md", b"by name")
    assert files(tmp_path).ask(of("skills/tiny", apart=True), case()).text == "by name"
    (tmp_path / "skills/tiny").mkdir(parents=True)
    (tmp_path / "skills/tiny/SKILL.md").touch()  # the folder of answers is the rootdir itself
    assert files(tmp_path).ask(of("skills/tiny"), case()).text == "by name"
    (tmp_path / "skills/tiny/scale.skill.md").write_bytes(b"by path")
    assert files(tmp_path).arms_for("skills/tiny", ARMS, ["scale"]) == ("skill",)
    assert [files(tmp_path).ask(of(place), case()).text for place in ("skills/tiny", "lib/tiny")] == [
        "by path", "by name",
    ]  # fmt: skip


def test_processes_that_write_at_once_agree_on_the_owner_of_a_folder(tmp_path: Path) -> None:
    places = [f"{letter}/tiny" for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda place: layout.keep_reply(tmp_path, "pupil", of(place), Reply(place)), places))
    assert len(set(paths)) == len(places)
    assert [path.read_text() for path in paths] == places
    replies = layout.replies_folder(tmp_path, "pupil")
    assert [files(replies).ask(of(place), case()).text for place in places] == places


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    paths = [layout.write_prompt(tmp_path, of(place)) for place in ("lib/tiny", "skills/tiny")]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "tiny/scale.skill.md",
        "skills/tiny/scale.skill.md",
    ]
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [".skill", "scale.skill.md"]


# --------------------------------------------------------------------------------------------- encodings

CHINESE = "这个内核把每个元素乘以二。" * 30 + "\n```cuda\n__global__ void f() {}\n```\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text", [CHINESE, "Da: größer.\n```cuda\nint x;\n```\n"], ids=["mostly Chinese", "mostly ASCII"]
)
def test_wide_encodings_are_recognised_without_a_mark_in_any_script(text: str, encoding: str) -> None:
    assert layout.decoded(text.encode(encoding)) == (text, encoding.upper())
    assert layout.decoded(text.encode(encoding) + b"\0")[1] == encoding.upper(), "cut off"


def test_zero_bytes_in_utf_8_are_kept_if_they_are_few_and_make_a_file_binary_if_many() -> None:
    few = f"{CHINESE}\n\0\n".encode()
    assert layout.decoded(few) == (few.decode(), "")
    for data in (b"\x7fELF" + bytes(60), b"GIF89a" + b"\0\1\2" * 10, b"one\0two\0" * 9):
        assert layout.decoded(data) == ("", layout.BINARY)
    assert layout.decoded(b"int x;" + bytes(500)) == ("int x;", ""), "a buffer of a fixed size"


def test_japanese_of_seven_bits_is_recognised() -> None:
    text = "完了です。\n```cuda\nint x;\n```\n"
    assert layout.decoded(text.encode("iso2022_jp")) == (text, "ISO-2022-JP")
