from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_upskill.build.cache import Cache, Facts, Made, key_of
from pytest_upskill.errors import ToolchainError


def maker(text: str = "built", keep: bool = True):
    calls = []

    def make(folder: Path) -> Made:
        calls.append(folder)
        (folder / "kernel.so").write_text(text)
        return Made(Facts(message="built", data="{}"), keep=keep)

    make.calls = calls
    return make


def scratch_of(cache: Cache) -> list[Path]:
    return list(cache.folder.glob("v1/scratch/*"))


def test_second_request_is_served_without_making(tmp_path: Path) -> None:
    make = maker()
    first = Cache(tmp_path).get("ab12cd3400", make)
    second = Cache(tmp_path).get("ab12cd3400", make)
    assert (first.fresh, second.fresh) == (True, False)
    assert second.folder == first.folder
    assert second.facts == Facts(True, "built", "{}")
    assert len(make.calls) == 1
    assert scratch_of(Cache(tmp_path)) == []


@pytest.mark.parametrize("damage", ["truncate", "remove", "flip", "manifest", "types"])
def test_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    cache, make = Cache(tmp_path), maker("library")
    folder = cache.get("ab12cd3400", make).folder
    if damage == "truncate":
        (folder / "kernel.so").write_text("lib")
    elif damage == "remove":
        (folder / "kernel.so").unlink()
    elif damage == "flip":
        (folder / "kernel.so").write_text("librarY")
    elif damage == "types":
        manifest = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(manifest.replace('"ok": true', '"ok": "yes"'))
    else:
        (folder / "manifest.json").write_text('{"facts"')
    again = cache.get("ab12cd3400", make)
    assert again.fresh
    assert (again.folder / "kernel.so").read_text() == "library"


def test_result_that_is_not_lasting_is_not_kept(tmp_path: Path) -> None:
    make = maker(keep=False)
    cache = Cache(tmp_path)
    assert cache.get("ab12cd3400", make).facts == Facts(True, "built", "{}")
    cache.get("ab12cd3400", make)
    assert len(make.calls) == 2


def test_error_while_making_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(folder: Path) -> Made:
        (folder / "half").write_text("x")
        raise ToolchainError("the compiler failed")

    with pytest.raises(ToolchainError, match="the compiler failed"):
        cache.get("ab12cd3400", fail)
    assert scratch_of(cache) == []
    assert cache.get("ab12cd3400", maker()).fresh


def test_threads_that_want_the_same_entry_make_it_once(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), maker()
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: cache.get("ab12cd3400", make), range(8)))
    assert len(make.calls) == 1
    assert sum(entry.fresh for entry in entries) == 1


def test_oldest_entries_go_first_when_the_limit_is_passed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=2500)
    folders = {}
    for age, key in ((300, "aa00000001"), (200, "bb00000002"), (100, "cc00000003")):
        folders[key] = cache.get(key, maker("x" * 1000)).folder
        then = time.time() - age
        os.utime(folders[key] / "manifest.json", (then, then))
    assert cache.evict(spared_seconds=0) == 1
    assert [folder.exists() for folder in folders.values()] == [False, True, True]


def test_use_makes_an_entry_young_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=1500)
    for key in ("aa00000001", "bb00000002"):
        folder = cache.get(key, maker("x" * 1000)).folder
        os.utime(folder / "manifest.json", (1.0, 1.0))
    cache.get("aa00000001", maker())
    assert cache.evict(spared_seconds=0) == 1
    assert not cache.get("aa00000001", maker()).fresh


def test_a_file_that_entries_share_counts_once(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime.so"
    runtime.write_text("x" * 100_000)

    def link(folder: Path) -> Made:
        (folder / "runtime.so").hardlink_to(runtime)
        (folder / "kernel.so").write_text("x" * 10_000)
        return Made(Facts())

    keys = [f"{number:02x}00000000" for number in range(5)]
    for limit, evicted in ((200_000, 0), (125_000, 3)):
        cache = Cache(tmp_path, limit_bytes=limit)
        for key in keys:
            cache.get(key, link)
        assert cache.evict(spared_seconds=0) == evicted


def test_entry_that_was_just_used_is_spared(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=10)
    cache.get("aa00000001", maker("x" * 1000))
    assert cache.evict() == 0


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.scratch() as busy:
        abandoned = busy.with_name("4711-abandoned")
        abandoned.mkdir()
        os.utime(abandoned, (1.0, 1.0))
        cache.evict()
        assert busy.exists()
        assert not abandoned.exists()


def test_folder_that_cannot_be_written_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = Cache(tmp_path / "file")
    with pytest.raises(ToolchainError, match=r"cannot write to the build cache .*file: .*UPSKILL_CACHE_DIR"):
        cache.get("ab12cd3400", maker())


def test_key_tells_where_one_part_ends() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("ab", "c") == key_of(b"ab", "c")
