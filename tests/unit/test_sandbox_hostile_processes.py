"""Kernels that turn on their process, its parent or the machine: at every level a named failure, or nothing at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_upskill.records import Answer
from pytest_upskill.sandbox import confinement as confine
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox.confinement import Confinement
from tests.unit.sandbox_kernels import integers, probe, probe_call, sandbox_of

LEVELS = {level.level: level for level in (confine.strongest(), confine.find(None), Confinement("process"))}
every_level = pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))

SYSTEM = """
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>
__global__ void put(int64_t* out, int64_t value) { out[0] = value; }
static void* page() { return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static bool in_constructor = true;
__attribute__((constructor(101))) static void constructor() { in_constructor = mprotect(page(), 4096, 7) == 0; }
static void reply(const char* text, size_t bytes) {
  for (int i = 3; i < 1024; ++i) send(i, text, bytes, MSG_DONTWAIT);
}
"""


def one_call(body: str, level: Confinement, before: str = "", **limits) -> Answer:
    with sandbox_of(probe(body, SYSTEM + before), confinement=level, **limits) as sandbox:
        return sandbox.call(probe_call(1))


def value_of(expression: str, level: Confinement, before: str = "") -> int:
    answer = one_call(f"put<<<1, 1, 0, stream>>>(out, (int64_t)({expression}));", level, before)
    assert answer.findings == ()
    return integers(answer)[0]


# ------------------------------------------------------------------------------------------- the channel


def only(answer: Answer) -> tuple[str, str]:
    assert len(answer.findings) == 1, answer.findings
    return answer.findings[0].kind, answer.findings[0].message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('reply("12345678ok 0 1 0\\n", 17);', "does not carry the number of the call"),
        ('reply("x", 1);', "does not carry the number of the call"),
        ('reply("", 0); pause();', "closed its channel and continued to run"),
        ("std::vector<char> all(150000, 'x'); reply(all.data(), all.size());", "more than 65536 bytes"),
        ("for (int i = 3; i < 1024; ++i) close(i); pause();", "closed its channel and continued to run"),
        ("for (int i = 3; i < 1024; ++i) shutdown(i, SHUT_WR); pause();", "closed its channel and continued to run"),
    ],
)
def test_tampering_with_the_channel_is_a_named_failure(body: str, words: str) -> None:
    answer = one_call(body, confine.strongest(), seconds=2.0)
    kind, message = only(answer)
    assert kind == "protocol"
    assert words in message
    assert answer.outputs == {}


def test_descriptors_that_come_with_an_answer_are_not_taken() -> None:
    before = """
    static void hand_over() {
      char text[] = "12345678ok 0 1 0\\n", control[CMSG_SPACE(sizeof(int))] = {};
      iovec part{text, sizeof text - 1};
      msghdr message{}; message.msg_iov = &part; message.msg_iovlen = 1;
      message.msg_control = control; message.msg_controllen = sizeof control;
      cmsghdr* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET; head->cmsg_type = SCM_RIGHTS; head->cmsg_len = CMSG_LEN(sizeof(int));
      int own = 0; memcpy(CMSG_DATA(head), &own, sizeof own);
      for (int i = 3; i < 1024; ++i) sendmsg(i, &message, MSG_DONTWAIT);
    }
    """
    before_call = len(list(Path("/proc/self/fd").iterdir()))
    kind, message = only(one_call("hand_over();", confine.strongest(), before))
    assert kind == "protocol"
    assert "or holds descriptors" in message
    assert len(list(Path("/proc/self/fd").iterdir())) == before_call


# ------------------------------------------------------------------------------------------- the system


ATTEMPTS = [
    'open("/tmp/upskill-marker", O_CREAT | O_WRONLY, 0600) >= 0',
    'syscall(SYS_openat, AT_FDCWD, "/tmp/upskill-marker", O_CREAT | O_RDWR, 0600) >= 0',
    'open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0',
    'open("/dev/shm", O_TMPFILE | O_RDWR, 0600) >= 0',
    'mkdir("/tmp/upskill-marker", 0700) == 0',
    'mkfifo("/tmp/upskill-marker", 0700) == 0',
    'symlink("/", "/tmp/upskill-marker") == 0',
    'rename("/tmp", "/upskill-marker") == 0',
    'memfd_create("m", 0) >= 0',
    "shmget(IPC_PRIVATE, 4096, 0600) >= 0",
    "socket(AF_INET, SOCK_STREAM, 0) >= 0",
    "prctl(PR_SET_PDEATHSIG, 0) == 0",
    "prctl(PR_SET_DUMPABLE, 1) == 0",
    "syscall(SYS_ptrace, 0, 0, 0, 0) == 0",
    "syscall(SYS_unshare, CLONE_NEWUSER) == 0",
    "syscall(SYS_io_uring_setup, 1, 0) >= 0",
    "syscall(SYS_bpf, 0, 0, 0) >= 0",
    "syscall(SYS_userfaultfd, 0) >= 0",
    "syscall(SYS_perf_event_open, 0, 0, -1, -1, 0) >= 0",
    "syscall(SYS_keyctl, 0, -3, 1) >= 0",
    "syscall(SYS_pidfd_open, getppid(), 0) >= 0",
    "vfork() >= 0",
    "syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0",
    "syscall(SYS_clone3, 0, 0) >= 0 || errno != ENOSYS",
    "mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED",
    "mprotect(page(), 4096, PROT_READ | PROT_EXEC) == 0",
    "syscall(SYS_pkey_mprotect, page(), 4096, PROT_READ | PROT_EXEC, -1) == 0",
    "syscall(SYS_mremap, page(), 4096, 4096, 3, page()) != -1",
    "syscall(SYS_personality, 0x0400000) >= 0",
    "in_constructor",
]
CHOICE = " ".join(f"case {n}: got = {attempt}; break;" for n, attempt in enumerate(ATTEMPTS, 1))
"""All attempts are compiled together; ``n`` selects one."""


def test_memory_without_code_is_mapped_and_grows() -> None:
    large = "char* p = (char*)realloc(malloc(1 << 20), 64 << 20); p[1 << 25] = 1; *(int*)page() = 1;"
    answer = one_call(f"{large} put<<<1, 1, 0, stream>>>(out, p[1 << 25]);", confine.strongest())
    assert (answer.findings, integers(answer)) == ((), [1])


@every_level
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_attempt_is_refused(level: Confinement, attempt: str) -> None:
    body = f"int64_t got = -1; switch (n) {{ {CHOICE} }} put<<<1, 1, 0, stream>>>(out, got);"
    before = f"#include <cerrno>\n#include <sched.h>\n{SYSTEM}"
    with sandbox_of(probe(body, before), confinement=level) as sandbox:
        answer = sandbox.call(probe_call(ATTEMPTS.index(attempt) + 1))
    assert answer.findings == ()
    assert integers(answer)[0] == 0
    assert not Path("/tmp/upskill-marker").exists()


@every_level
def test_bomb_of_threads_is_bounded_whoever_the_user_is(level: Confinement) -> None:
    count = """({ int64_t made = 0; pthread_t all[2000]; static volatile bool over; over = false;
      auto wait = [](void*) -> void* { while (!over) usleep(1000); return nullptr; };
      while (made < 2000 && !pthread_create(&all[made], nullptr, wait, nullptr)) ++made;
      over = true; for (int64_t i = 0; i < made; ++i) pthread_join(all[i], nullptr);
      made; })"""
    assert 0 < value_of(count, level) < filters.MOST_THREADS


@every_level
def test_bomb_of_processes_makes_none(level: Confinement) -> None:
    assert value_of("({ int64_t k = 0; for (int i = 0; i < 100; ++i) k += fork() >= 0; k; })", level) == 0


@every_level
def test_bomb_of_memory_is_a_named_failure(level: Confinement) -> None:
    body = "std::vector<std::vector<char>> all; for (;;) all.emplace_back(64 << 20, 1);"
    kind, message = only(one_call(body, level, memory=1 << 30))
    assert kind == "memory-limit"
    assert "std::bad_alloc" in message


@pytest.mark.skipif(len(LEVELS) < 3, reason="bubblewrap or Landlock is missing: install bubblewrap to try all levels")
def test_files_of_the_user_cannot_be_read_where_anything_hides_them() -> None:
    for name in ("bubblewrap", "kernel"):
        for path in (__file__, "/etc/passwd", "/etc/shadow"):
            assert value_of(f'open("{path}", O_RDONLY) >= 0', LEVELS[name]) == 0


def test_parent_answers_for_threads_in_the_middle_of_a_call() -> None:
    body = """
      int64_t v[8], s = 0;
      std::vector<std::thread> all;
      for (int i = 0; i < 8; ++i) all.emplace_back([&v, i] { v[i] = i; });
      for (auto& t : all) t.join();
      for (int64_t one : v) s += one;
      put<<<1, 1, 0, stream>>>(out, s);
    """
    assert integers(one_call(body, confine.strongest())) == [28]


def test_thread_that_is_asked_for_by_a_process_that_is_gone_is_nobodys_error() -> None:
    descriptor, other = os.pipe()
    os.close(other)
    assert filters.answer(descriptor)
    os.close(descriptor)


# ------------------------------------------------------------------------------------------- kernel isolation alone


def isolated(*parts: str, **plan) -> subprocess.CompletedProcess[str]:
    program = Path(confine.__file__).with_name("kernel_isolation.py")
    whole = {"parts": parts, "limits": {}, "scratch": None, "scratch_bytes": 1 << 20}
    whole |= {"readable": ["/usr", "/bin", "/lib", "/lib64"], "writable": [], "devices": [], **plan}
    argv = [sys.executable, "-I", "-S", str(program), json.dumps(whole), "/bin/sh", "-c", "echo reached"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_isolation_that_cannot_be_set_up_ends_before_the_program_starts(tmp_path: Path) -> None:
    ran = isolated("namespaces", scratch=str(tmp_path / "gone"))
    assert ran.returncode == 1
    assert ran.stderr.startswith("sandbox: ")
    assert "reached" not in ran.stdout


def test_limits_of_the_isolation_hold() -> None:
    program = Path(confine.__file__).with_name("kernel_isolation.py")
    plan = {"parts": [], "limits": {"RLIMIT_NOFILE": 7}, "scratch": None, "scratch_bytes": 0}
    plan |= {"readable": [], "writable": [], "devices": []}
    argv = [sys.executable, "-I", "-S", str(program), json.dumps(plan), "/bin/sh", "-c", "ulimit -Hn"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "7\n"


def test_request_for_a_thread_has_the_layout_of_the_kernels_headers() -> None:
    assert (filters._REQUEST.size, filters._REPLY.size) == (80, 24)
