"""Mutants of a project: only files with kernels change, and the lines are those of the whole text."""

from __future__ import annotations

from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.torch_extension import SOURCE_NAME
from pytest_upskill.languages.torch_extension.mutants import SHARE, project_mutants
from pytest_upskill.languages.torch_extension.project import project_of
from tests.unit.cuda_project_cases import FILES
from tests.unit.kernel_builder_cases import reply

KERNEL = "scale_rows_cuda/scale_rows.cu"
HELPER = "scale_rows_cuda/product.cuh"
SOURCE = reply(
    {
        **FILES,
        "build.toml": FILES["build.toml"].replace(f'["{KERNEL}"]', f'["{KERNEL}", "{HELPER}"]'),
        HELPER: "#pragma once\ntemplate <typename T>\n__device__ T product(T a, T b) { return a * b + T(0); }\n",
    }
)


def every(source: str = SOURCE, count: int = 100 * SHARE, seed: int = 1) -> list[SourceMutant]:
    return list(project_mutants(source, count, seed))


def files(source: str) -> dict[str, str]:
    return project_of({SOURCE_NAME: source}).texts


def test_each_mutant_changes_the_line_that_it_names_in_the_whole_text() -> None:
    mutants = every()
    assert len({one.source for one in mutants}) == len(mutants) > 10
    for mutant in mutants:
        pairs = zip(SOURCE.splitlines(), mutant.source.splitlines(), strict=True)
        assert [number for number, (one, other) in enumerate(pairs, 1) if one != other] == [mutant.line]


def test_only_files_with_kernels_change() -> None:
    own, changed = files(SOURCE), set()
    for mutant in every():
        (path,) = (path for path, text in files(mutant.source).items() if text != own[path])
        assert mutant.change.startswith(f"{path.rpartition('/')[2]}: ")
        changed.add(path)
    assert changed == {KERNEL, HELPER}


def test_there_are_a_fourth_as_many_as_of_a_kernel_alone_and_at_least_one() -> None:
    assert len(every(count=6 * SHARE)) == 6
    assert len(every(count=SHARE - 1)) == 1


def test_the_choice_is_repeatable_and_depends_on_the_seed() -> None:
    one, same, other = (every(count=5 * SHARE, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert [mutant.line for mutant in one] != [mutant.line for mutant in other]


def test_a_project_that_cannot_be_read_has_none() -> None:
    assert every("no project") == []
    assert every(SOURCE.replace("edition = 5", "edition = 4")) == []


def test_a_file_that_is_indented_in_the_text_stays() -> None:
    indented = "- Files:\n\n" + "".join(f"  {line}" for line in SOURCE.splitlines(keepends=True))
    assert files(indented) == files(SOURCE)
    assert every(indented) == []
