"""A machine in good and in bad states, made for real where a test can make them."""

import os
import socket
import time
from pathlib import Path

import pytest

from launcher.doctor import Finding, check_folder, check_machine, worst
from launcher.doctor.configured import check_clocks
from launcher.doctor.machine import (
    build_folder,
    check_clock,
    check_compiler,
    check_host_name,
    check_locks,
    check_port,
    check_shared_memory,
)


def test_a_lock_that_a_killed_build_left_is_found_with_its_age(tmp_path: Path) -> None:
    lock = tmp_path / "deepspeed_shm_comm" / "lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (time.time() - 5400,) * 2)
    builds = build_folder({"TORCH_EXTENSIONS_DIR": str(tmp_path)})
    assert list(check_locks(builds)) == [
        Finding(
            "build lock",
            "warning",
            f"{lock}: 90 minutes old",
            f"if nothing is being built now: lmmtc setup, or rm {lock}",
        )
    ]


def test_a_lock_is_found_where_torch_builds_without_being_told(tmp_path: Path) -> None:
    lock = tmp_path / "torch_extensions" / "py311_cpu" / "fused_adam" / "lock"
    lock.parent.mkdir(parents=True)
    builds = build_folder({"XDG_CACHE_HOME": str(tmp_path)})
    assert list(check_locks(builds)) == [Finding("build lock", "ok", f"none below {builds}")]
    lock.touch()
    assert [each.state for each in check_locks(builds)] == ["warning"]


def test_torch_builds_where_the_doctor_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.cpp_extension import _get_build_directory

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for own in ({}, {"TORCH_EXTENSIONS_DIR": str(tmp_path / "own")}):
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        lock = Path(_get_build_directory("an_op", verbose=False)) / "lock"
        lock.touch()
        [found] = check_locks(build_folder({"XDG_CACHE_HOME": str(tmp_path)} | own))
        assert found.found.startswith(str(lock))


def test_a_port_that_is_taken_is_wrong() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        assert check_port(port, "telemetry.port") == Finding(
            "telemetry.port", "wrong", f"port {port}: Address already in use", "choose another port"
        )
    assert check_port(0).state == "ok"


def test_a_name_that_does_not_resolve_is_a_warning() -> None:
    found = check_host_name("no-such-host.invalid")
    assert (found.state, found.found.split(": ")[:2]) == ("warning", ["no-such-host.invalid", "does not resolve"])
    assert found.advice == (
        "for ranks on several machines: let it lead to an address that others reach, or set GLOO_SOCKET_IFNAME"
    )


def test_a_name_that_leads_back_to_this_machine_alone_is_a_warning() -> None:
    found = check_host_name("127.0.0.1")
    assert (found.state, found.found) == ("warning", "127.0.0.1: 127.0.0.1: only this machine reaches that")


def test_a_name_that_leads_to_another_machine_is_a_warning() -> None:
    found = check_host_name("192.0.2.1")  # an address for documentation, which no machine has
    assert (found.state, found.found) == ("warning", "192.0.2.1: 192.0.2.1: not an address of this machine")


def test_a_clock_that_is_earlier_than_a_file_is_wrong(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.touch()
    assert check_clock(known).state == "ok"
    os.utime(known, (time.time() + 10 * 86_400,) * 2)
    found = check_clock(known)
    assert (found.check, found.state) == ("clock", "wrong")
    assert found.found.endswith(f"which is 10.0 days before {known} was made")


def test_a_file_system_whose_clock_differs_is_a_warning() -> None:
    assert check_clocks("folder", 1000.0, 1004.9).state == "ok"
    assert check_clocks("folder", 1010.0, 1000.0) == Finding(
        "folder, clock",
        "warning",
        "the file system's and the machine's are 10.0 s apart",
        "let both be set by NTP: the age of files is judged by them",
    )


def test_a_machine_without_a_compiler_is_told_of_it(tmp_path: Path) -> None:
    found = check_compiler({"PATH": str(tmp_path)})
    assert (found.state, found.found) == ("warning", "c++: not there")
    compiler = tmp_path / "own-c++"
    compiler.touch(mode=0o755)
    assert check_compiler({"PATH": str(tmp_path), "CXX": "own-c++"}) == Finding("compiler", "ok", str(compiler))


def test_shared_memory_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    found = check_shared_memory(tmp_path / "shm")
    assert (found.state, found.found) == ("warning", f"{tmp_path / 'shm'}: not there")


def test_shared_memory_that_is_full_is_a_warning() -> None:
    found = check_shared_memory(Path("/proc"))  # has no byte of room
    assert (found.state, found.found) == ("warning", "/proc: 0.00 of 0.00 GiB free")
    assert "--shm-size" in found.advice


def test_a_folder_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [found] = check_folder("run.folder", tmp_path / "file" / "run")
    assert (found.state, found.found) == (
        "wrong",
        f"{tmp_path / 'file' / 'run'}: cannot be written: Not a directory",
    )
    assert [each.state for each in check_folder("folder", Path("/proc"))] == ["wrong"]


def test_a_folder_that_is_not_there_yet_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    room, clock = check_folder("run.folder", tmp_path / "runs" / "new", needed=0.0)
    assert (room.state, clock.state) == ("ok", "ok")
    assert room.found.startswith(f"{tmp_path / 'runs' / 'new'}: ")
    assert not list(tmp_path.iterdir())


def test_a_disk_with_less_room_than_wanted_is_a_warning(tmp_path: Path) -> None:
    room, _clock = check_folder("data.cache", tmp_path, needed=1e9)
    assert (room.state, room.advice) == ("warning", "make room: 1000000000.0 GiB are wanted")


def test_nothing_is_wrong_with_a_machine_that_runs_these_tests() -> None:
    assert worst(check_machine(os.environ)) != "wrong"


def test_the_worst_finding_decides() -> None:
    findings = [Finding("a", "ok", ""), Finding("b", "wrong", ""), Finding("c", "warning", "")]
    assert worst(findings) == "wrong"
    assert worst(findings[2:]) == "warning"
    assert worst([]) == "ok"
