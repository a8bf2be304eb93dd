"""Published kernels as students: where they come from, how a case calls them, and what they cannot do.

The kernels here are packages in Python: what a compiled library computes, a module can compute.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.build import file_store
from pytest_upskill.cases.case import PUBLISHED, Case, Published
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.hub.contract import HubContract
from pytest_upskill.errors import CaseError, StudentError, ToolchainError, UsageError
from pytest_upskill.judging.interface import JudgeRequest, JudgeResult
from pytest_upskill.judging.judge import judge
from pytest_upskill.languages.torch_extension.published import SOURCE, Manifest
from pytest_upskill.records import Prompt, Question, Reply, VerdictKind
from pytest_upskill.students import hub
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.hub import HubStudent
from pytest_upskill.students.registry import resolve
from tests.unit.export_cases import case
from tests.unit.hub_server import COMMIT, serving

pytest.importorskip("kernels")
METADATA = {
    "name": "twice", "id": "_twice_cpu_1234567", "version": 1, "license": "Apache-2.0", "python-depends": [],
    "backend": {"type": "cpu"},
}  # fmt: skip
MODULE = "import torch\n\ndef twice(x):\n    return 2 * x\n\ndef into(out, x):\n    out.copy_(2 * x)\n    return out\n"
NOARCH, CUDA, OTHER = "torch-cpu", "torch213-cxx11-cu130-x86_64-linux", "torch-stable-abi99-cpu-x86_64-linux"
QUESTION = Question("s", "twice", "skill", 1, Prompt("", ""))


def kernel(folder: Path, module: str = MODULE, variant: str = NOARCH) -> Path:
    """A repository with one build."""
    build = folder / "build" / variant
    build.mkdir(parents=True)
    (build / "__init__.py").write_text(module, encoding="utf-8")
    (build / "metadata.json").write_text(json.dumps(METADATA), encoding="utf-8")
    return folder


def student(spec: str, folder: Path) -> HubStudent:
    return HubStudent(resolve([f"hub:{spec}"], {}, folder)[0])


def asked(spec: str, folder: Path) -> Manifest:
    return Manifest.read(student(spec, folder).ask(QUESTION, case()).text)


def held(of: Case, reply: Reply) -> JudgeResult:
    """The judgement of a reply against a case."""
    return judge(JudgeRequest(of.text, of.name, {SOURCE: reply.text}, PUBLISHED, PUBLISHED, examples=2, seed=1))


def hub_case(hub: str = "{op: twice}") -> Case:
    return case(more=f"hub: {hub}\n")


# ------------------------------------------------------------------------------------------------------- the key hub


def test_a_case_names_the_function_and_its_arguments() -> None:
    assert hub_case().hub == Published("twice", ("x",))
    assert hub_case("{op: layers.twice, args: [out, x, n]}").hub == Published("layers.twice", ("out", "x", "n"))
    assert case().hub is None


@pytest.mark.parametrize(
    ("hub", "says"),
    [
        ("twice", "'hub' is 'twice'; it must be a mapping such as"),
        ("{args: [x]}", "'hub' names no operator"),
        ("{op: 'a b'}", "'hub' names the operator 'a b'"),
        ("{op: '../x'}", "'hub' names the operator"),
        (
            "{op: twice, args: [xx]}",
            "'args' of 'hub' names 'xx', which is not an argument, dim or result; did you mean 'x'",
        ),
        ("{op: twice, args: []}", "is an empty list"),
        ("{op: twice, arg: [x]}", "unknown key 'arg'"),
    ],
)
def test_a_wrong_key_is_an_error(hub: str, says: str) -> None:
    with pytest.raises(CaseError) as error:
        hub_case(hub)
    assert says in str(error.value)


# ------------------------------------------------------------------------------------------------- naming a student


@pytest.mark.parametrize(
    ("spec", "name", "model"),
    [
        ("org/activation@v1", "activation", "org/activation@v1"),
        ("mine=org/activation@main", "mine", "org/activation@main"),
        ("org/flash-attn.2@0123abc", "flash-attn.2", "org/flash-attn.2@0123abc"),
        ("./here", "here", "{}/here"),
        ("here", "here", "{}/here"),
        ("own=here", "own", "{}/here"),
    ],
)
def test_a_kernel_is_named_by_its_repository_or_its_folder(tmp_path: Path, spec: str, name: str, model: str) -> None:
    (tmp_path / "here").mkdir()
    (found,) = resolve([f"hub:{spec}"], {}, tmp_path)
    assert (found.name, found.provider, found.model) == (name, PUBLISHED, model.format(tmp_path))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hub", "names no kernel; write hub:ORG/NAME@REVISION"),
        ("hub:", "names no kernel"),
        ("hub:activation", "is neither a folder nor a repository"),
        ("hub:a/b/c@v1", "is neither a folder nor a repository"),
        ("hub:./missing", "is not a folder; name one with a built kernel"),
        ("hub:org/activation", "needs a revision (a branch, a tag or a commit)"),
        ("hub:org/golden@v1", "'golden' cannot be a student's name; write hub:LABEL=org/golden@v1"),
        ("hub:org/haiku@v1", "'haiku' cannot be a student's name"),
    ],
)
def test_a_name_that_cannot_be_used_is_an_error(tmp_path: Path, spec: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve([spec], {}, tmp_path)
    assert says in str(error.value)


def test_local_kernels_replaces_a_repository_by_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path / "mine")
    monkeypatch.setenv("LOCAL_KERNELS", f"org/other=/nowhere:org/twice={tmp_path / 'mine'}")
    found = asked("org/twice", tmp_path)
    assert (found.repository, found.variant, found.revision) == ("org/twice", NOARCH, "")
    monkeypatch.setenv("LOCAL_KERNELS", "org/twice")
    with pytest.raises(UsageError, match="LOCAL_KERNELS holds 'org/twice'; it is written as"):
        resolve(["hub:org/twice"], {}, tmp_path)


def test_only_cases_that_name_an_operator_are_asked_and_only_in_the_arm_of_the_skill() -> None:
    made = HubStudent(StudentConfig("a", PUBLISHED, "o/a@v1"))
    assert made.can_answer(hub_case())
    assert not made.can_answer(case())
    assert made.arms_for("s", ("skill", "baseline", "placebo"), ["twice"]) == ("skill",)
    assert not made.goes_on(QUESTION)


# ------------------------------------------------------------------------------------------------ builds and downloads


def test_the_build_that_fits_is_taken_from_the_folder_or_below_build(tmp_path: Path) -> None:
    kernel(tmp_path / "both", variant=CUDA)
    kernel(tmp_path / "both", variant=NOARCH) if not (tmp_path / "both/build" / NOARCH).exists() else None
    found = asked("both", tmp_path)
    assert found.variant == NOARCH
    assert file_store.load(found.files["__init__.py"]) == MODULE.encode()
    assert asked("both/build", tmp_path).files == found.files
    assert asked(f"both/build/{NOARCH}", tmp_path).files == found.files


def test_a_kernel_with_builds_for_gpus_only_needs_one(tmp_path: Path) -> None:
    kernel(tmp_path / "gpu", variant=CUDA)
    reply = student("gpu", tmp_path).ask(QUESTION, hub_case())
    result = held(hub_case(), reply)
    assert result.verdict.kind is VerdictKind.INCONCLUSIVE
    assert result.verdict.reason == f"needs a GPU: gpu has no build for the CPU, only {CUDA}"


def test_a_kernel_without_a_build_that_this_machine_can_load_is_an_error(tmp_path: Path) -> None:
    kernel(tmp_path / "later", variant=OTHER)
    with pytest.raises(StudentError, match="none fits this machine's processor and version of torch"):
        asked("later", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudentError, match=r"holds no built kernel: .*; build the project first"):
        asked("empty", tmp_path)


def test_a_kernel_is_downloaded_from_the_hub_and_named_by_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path / "served")
    monkeypatch.setenv("KERNELS_CACHE", str(tmp_path / "cache"))
    with serving("org/twice", tmp_path / "served") as (address, requests):
        monkeypatch.setenv("HF_ENDPOINT", address)
        made = student("org/twice@v1", tmp_path)
        reply = made.ask(QUESTION, hub_case())
        assert made.ask(QUESTION, hub_case()).text == reply.text
        found = Manifest.read(reply.text)
        assert (found.revision, found.variant, reply.model) == (COMMIT, NOARCH, f"org/twice@{COMMIT}")
        assert sorted(found.files) == ["__init__.py", "metadata.json"]
        assert sum(one.endswith("metadata.json") and one.startswith("GET") for one in requests) == 1
        with pytest.raises(StudentError, match=r"the Hub has no usable kernel 'org/twice@v9': .*; check the name"):
            asked("org/twice@v9", tmp_path)
        with pytest.raises(StudentError, match=r"the Hub has no usable kernel 'org/none@v1'"):
            asked("org/none@v1", tmp_path)


@pytest.mark.full  # huggingface_hub tries again for half a minute
def test_a_build_that_is_too_large_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path / "served")
    monkeypatch.setenv("KERNELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "MOST_FILES", 1)
    with serving("org/twice", tmp_path / "served") as (address, requests):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(StudentError, match=r"build/torch-cpu has 2 files of 0 MiB; at most 1 files"):
            asked("org/twice@v1", tmp_path)
        assert not [one for one in requests if "resolve" in one]


def test_a_file_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    folder = kernel(tmp_path / "named")
    (folder / "build" / NOARCH / "two words.py").write_text("")
    with pytest.raises(
        StudentError, match=r"cannot be loaded: it names the file 'two words.py' with the hash .*; rename it"
    ):
        asked("named", tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path / "closed")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StudentError, match=r"__init__.py cannot be read: Permission denied; make it readable"):
        asked("closed", tmp_path)


def test_a_hub_that_does_not_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the attempts of huggingface_hub
    with pytest.raises(StudentError, match=r"the Hub has no usable kernel 'org/twice@v1': .*HF_ENDPOINT"):
        asked("org/twice@v1", tmp_path)


# ------------------------------------------------------------------------------------------------------------ judging


@pytest.mark.slow
def test_a_right_kernel_passes_and_a_wrong_one_fails(tmp_path: Path) -> None:
    kernel(tmp_path / "right")
    kernel(tmp_path / "wrong", MODULE.replace("2 * x\n\ndef into", "2 * x + 1e-3\n\ndef into"))
    right = held(hub_case(), student("right", tmp_path).ask(QUESTION, hub_case()))
    assert right.verdict.kind is VerdictKind.PASSED, right.verdict.reason
    assert [one.name for one in right.verdict.assertions] == [
        "contract", "loads", "runs", "correct[float32]", "deterministic", "inputs",
    ]  # fmt: skip
    wrong = held(hub_case(), student("wrong", tmp_path).ask(QUESTION, hub_case()))
    assert wrong.verdict.kind is VerdictKind.FAILED
    assert (wrong.verdict.first_failed or right).name == "correct[float32]"  # type: ignore[union-attr]
    filled = hub_case("{op: into, args: [out, x]}")
    assert held(filled, student("right", tmp_path).ask(QUESTION, filled)).verdict.kind is VerdictKind.PASSED
    missing = hub_case("{op: thrice}")
    said = held(missing, student("right", tmp_path).ask(QUESTION, missing)).verdict
    assert said.reason == "loads: right does not offer 'thrice'; correct 'hub: {op: ...}' of the case"


@pytest.mark.slow
def test_a_kernel_is_loaded_in_a_sandbox(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("2")
    kernel(tmp_path / "reads", f"factor = int(open({str(secret)!r}).read())\n\ndef twice(x):\n    return factor * x\n")
    said = held(hub_case(), student("reads", tmp_path).ask(QUESTION, hub_case())).verdict
    assert said.kind is VerdictKind.FAILED
    assert (said.reason or "").startswith("loads: FileNotFoundError")


def test_a_manifest_that_no_student_wrote_fails_the_reply() -> None:
    signature = HubContract().signature(hub_case(), results())
    for text in ("", "{}", "[]", '{"repository": 1}', _manifest(path="../x"), _manifest(digest="short")):
        found = HubContract().extract(text, signature)
        assert found.kernel is None
        assert found.problem
    assert HubContract().extract(_manifest(), signature).kernel is not None


def test_a_file_that_is_not_on_this_machine_is_a_fault_of_the_machine() -> None:
    with pytest.raises(ToolchainError, match=r"is not in .*, or damaged: run the student again on this machine"):
        file_store.load("0" * 64)
    result = held(hub_case(), Reply(_manifest(digest="0" * 64)))
    assert result.verdict.kind is VerdictKind.INFRASTRUCTURE_ERROR


def _manifest(path: str = "__init__.py", digest: str = "a" * 64) -> str:
    return replace(Manifest("o/n", "r", NOARCH), files={path: digest}).text


def results() -> object:
    from pytest_upskill.records import ResultFacts

    return ResultFacts({"out": None}, {"out": ("n",)})


def test_a_case_says_so_if_it_is_held_against_nothing() -> None:
    of = parse_case(case().text, Path("twice.md"), "s")
    with pytest.raises(ValueError, match="names no operator under 'hub'"):
        HubContract().signature(of, results())  # type: ignore[arg-type]
