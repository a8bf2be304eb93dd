"""Other skills beside the measured one: which, in which order, and that without any nothing changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.configuration import values
from pytest_upskill.execution.prompt_rendering import PromptRenderer
from pytest_upskill.execution.task import Task
from pytest_upskill.records import ItemKind
from pytest_upskill.skills.noise import NO_NOISE, Noise, among_others, bundled, most, others, shown

SKILL = "---\nname: NAME\ndescription: About NAME.\n---\n# NAME\n\nThe text of NAME.\n"


def skill(root: Path, name: str, text: str = SKILL) -> Path:
    path = root / name / "SKILL.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("NAME", name), encoding="utf-8")
    return path


def task(path: Path, noise: Noise, arm: str = "skill", disclosure: str = "body") -> Task:
    case = parse_case("---\nexpect: {contains: [a]}\n---\nSay a.\n", path.parent / "evals" / "a.md", "tiny")
    return Task(
        id="a", kind=ItemKind.TEXT, skill="tiny", skill_path=path, case=case, student="pupil", arm=arm, trial=1, seed=0,
        examples=None, example=None, replay="", noise=noise, disclosure=disclosure,
    )  # fmt: skip


def test_the_bundled_skills_are_valid_and_different() -> None:
    found = bundled()
    assert len(found) == len({one.name for one in found}) == most() + 1 > 60
    assert all(one.name == one.name.lower() and 20 < len(one.description) < 1024 for one in found)
    assert all("Use " in one.description for one in found)


def test_more_noise_has_all_of_less_and_a_seed_draws_others(tmp_path: Path) -> None:
    path = skill(tmp_path, "tiny")
    few, many = others(path, Noise(5)), others(path, Noise(20))
    assert many[:5] == few and len(set(many)) == 20
    assert others(path, Noise(20)) == many
    assert set(others(path, Noise(20, seed=3))) != set(many)
    assert others(path, NO_NOISE) == ()
    assert len(others(path, Noise(most()))) == most()


def test_skills_that_lie_beside_it_come_first_but_no_editions_and_broken_ones(tmp_path: Path) -> None:
    path = skill(tmp_path, "tiny")
    (path.parent / "evals").mkdir()
    (path.parent / "evals" / "a.md").write_text("---\nexpect: {contains: [a]}\n---\nSay a.\n", encoding="utf-8")
    alone = others(path, Noise(9))
    for name in ("other", "edition", "pdf-forms"):
        skill(tmp_path, name)
    skill(tmp_path, "broken", "no frontmatter")
    (tmp_path / "edition" / "evals").mkdir()
    (tmp_path / "edition" / "evals" / "cases.yaml").write_text("from: ../tiny\n", encoding="utf-8")
    found = others(path, Noise(9))
    assert {one.name for one in found[:2]} == {"other", "pdf-forms"}
    assert "About pdf-forms." in {one.description for one in found}
    assert list(found[2:]) == [one for one in alone if one.name != "pdf-forms"][:7]
    assert "edition" not in {one.name for one in others(path, Noise(most()))}
    assert [one.name for one in others(path, Noise(most()))].count("pdf-forms") == 1


def test_a_folder_beside_it_that_may_not_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, closed = skill(tmp_path, "tiny"), skill(tmp_path, "closed").parent
    skill(tmp_path, "other")
    is_file = Path.is_file

    def refused(one: Path) -> bool:
        if one.parent == closed:
            raise PermissionError(13, "Permission denied", str(one))
        return is_file(one)

    monkeypatch.setattr(Path, "is_file", refused)
    names = [one.name for one in others(path, Noise(most()))]
    assert "other" in names and "closed" not in names


def test_the_skill_is_not_always_at_the_same_place(tmp_path: Path) -> None:
    places = set()
    for name in ("one", "two", "three", "four", "five", "six"):
        path = skill(tmp_path / name, name)
        listed = among_others(shown(path), path, Noise(20))
        assert len(listed) == 21
        places.add([one.name for one in listed].index(name))
    assert len(places) > 3


@pytest.mark.parametrize("arm", ["skill", "placebo", "baseline"])
@pytest.mark.parametrize("disclosure", ["body", "full", "tools"])
def test_noise_is_added_to_what_an_arm_shows_and_to_nothing_else(tmp_path: Path, arm: str, disclosure: str) -> None:
    path = skill(tmp_path, "tiny")
    plain, noisy = (PromptRenderer().of(task(path, noise, arm, disclosure)) for noise in (NO_NOISE, Noise(20)))
    assert noisy.prompt.user == plain.prompt.user and noisy.prompt.files == plain.prompt.files
    if arm == "baseline":
        assert noisy == plain
        return
    listed = [one for one in bundled() if str(one) in noisy.prompt.system]
    assert len(listed) == 20 and not any(one.name in plain.prompt.system for one in listed)
    assert (plain.arm, noisy.arm) == (arm, f"{arm}-noise20")
    assert noisy.prompt.system.replace("\n", "").endswith(plain.prompt.system[-12:].replace("\n", ""))
    assert ("The text of tiny." in noisy.prompt.system) is (arm == "skill" and disclosure != "tools")


def test_a_prompt_without_noise_is_that_of_a_task_that_knows_of_none(tmp_path: Path) -> None:
    path = skill(tmp_path, "tiny")
    skill(tmp_path, "other")
    assert PromptRenderer().of(task(path, NO_NOISE)).prompt.system == "# tiny\n\nThe text of tiny.\n"


def test_the_repeated_arm_asks_the_question_of_the_skill_with_noise(tmp_path: Path) -> None:
    path = skill(tmp_path, "tiny")
    first, again = (PromptRenderer().of(replace(task(path, Noise(3)), arm=arm)) for arm in ("skill", "repeat"))
    assert first == again and first.arm == "skill-noise3"


@pytest.mark.parametrize(
    ("text", "noise"), [("0", NO_NOISE), ("20", Noise(20)), ("20:7", Noise(20, 7)), ("07", Noise(7))]
)
def test_the_value_of_the_option_is_read_and_written(text: str, noise: Noise) -> None:
    assert values.noise(text) == noise and values.noise(str(noise)) == noise


@pytest.mark.parametrize(
    ("text", "said"),
    [("-1", "is not a number of other skills"), ("many", "such as 20"), ("", "such as 20"), ("5:", "by a seed"),
     ("99999", f"give at most {most()}"), ("1.5", "is not a number")],
)  # fmt: skip
def test_another_value_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="other skills") as caught:
        values.noise(text)
    assert said in str(caught.value)
