"""What is broken is said once, with file, line, value, rule and next step; the others go on."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tests.integration.conftest import Workbench, case, kernel


def flat(result: pytest.RunResult) -> str:
    """The output in one line: messages are wrapped to the terminal."""
    return " ".join(result.stdout.str().split())


def broken(bench: Workbench, old: str, new: str) -> pytest.RunResult:
    text = case("scale")
    assert old in text
    bench.write("skills/tiny/evals/scale.md", text.replace(old, new))
    return bench.run("skills", "--upskill-student=golden")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dims: {n: 1..3000}", "dims: {n: 1..3000", "*evals/scale.md:*"),
        ("dtypes: [float32, float16]", "dtype: [float32]", "*evals/scale.md:7: *'dtype'*'dtypes'*"),
        ("x: [n]", "x: [m]", "*evals/scale.md:5: *'m'*"),
        ("float factor", "float register", "*evals/scale.md:2: *'register'*"),
        ("return x * factor", "return x *", "*evals/scale.md:*"),
    ],
    ids=["broken-yaml", "unknown-key", "unknown-dim", "reserved-name", "syntax-error"],
)
def test_a_broken_case_is_one_red_item_and_the_others_go_on(bench: Workbench, old: str, new: str, message: str) -> None:
    result = broken(bench, old, new)
    result.assert_outcomes(passed=2, failed=1)
    assert fnmatch(flat(result), message)


def test_a_reference_that_raises_points_into_the_case(bench: Workbench) -> None:
    result = broken(bench, "return x * factor", "return x.nonsense(factor)")
    result.assert_outcomes(passed=2, failed=1)
    line = case("scale").splitlines().index("    return x * factor") + 1
    assert fnmatch(flat(result), f"*skills/tiny/evals/scale.md:{line}: *nonsense*")


def test_a_broken_reference_does_not_count_against_a_student(bench: Workbench) -> None:
    bench.right_with_the_skill()
    bench.write("skills/tiny/evals/scale.md", case("scale").replace("return x * factor", "return 3"))
    result = bench.run("skills", "--upskill-student=files:answers", "-rs")
    result.assert_outcomes(passed=3, skipped=2)


def test_a_broken_skill_file_fails_its_spec_and_makes_the_skill_arm_inconclusive(bench: Workbench) -> None:
    bench.right_with_the_skill()
    bench.write("skills/tiny/SKILL.md", "no frontmatter\n")
    result = bench.run("skills", "--upskill-student=files:answers")
    result.assert_outcomes(failed=1, passed=2, skipped=2)
    result.stdout.fnmatch_lines(["*SKILL.md*"])


def test_advice_on_a_skill_is_a_warning_and_not_a_failure(bench: Workbench) -> None:
    bench.write("skills/tiny/SKILL.md", "---\nname: tiny\ndescription: Small.\nuser-invocable: true\n---\nBody.\n")
    result = bench.run("skills", "--upskill", "-k", "spec")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UpskillWarning: *user-invocable*"])


@pytest.mark.parametrize(
    ("reply", "assertion"),
    [
        ("I would rather not.", "reply:"),
        ("```cuda\n__global__ void other() {}\n```\n", "contract:"),
        (
            "```cuda\n" + kernel("scale").replace("float factor, int64_t n, c", "int64_t n, c") + "```\n",
            "contract:",
        ),
        ("```cuda\n" + kernel("scale").replace("const int64_t i =", "const int64_t j =") + "```\n", "compiles:"),
    ],
    ids=["no-block", "another-function", "another-signature", "does-not-compile"],
)
def test_what_a_reply_lacks_is_named_by_its_first_failed_assertion(
    bench: Workbench, reply: str, assertion: str
) -> None:
    bench.write("answers/tiny/scale.skill.md", reply)
    result = bench.run("skills/tiny/evals/scale.md", "--upskill-student=files:answers", "-rf")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"FAILED *scale?files-skill? - {assertion}*"])


def test_no_compiler_is_an_error_that_says_what_to_install(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("UPSKILL_CACHE_DIR", str(bench.root / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    result = bench.run("skills", "--upskill", "-k", "scale")
    output = result.stdout.str() + result.stderr.str()
    assert result.ret != 0
    assert "g++" in output and "install" in output
    assert "Traceback" not in output
