"""Free memory, from cgroups as kernels write them into files, and from the machine itself."""

from pathlib import Path

import psutil
import pytest

from trainer.host_memory import free_on_host

MB = 1_000_000


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have 900 MB left."""
    memory = psutil.virtual_memory()._replace(available=900 * MB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("memory_", "memory.")).write_text(f"{content}\n")


def free(root: Path, own: str) -> int:
    (root / "own").write_text(own)
    return free_on_host(root, root / "own")


def test_without_cgroups_the_machine_decides(tmp_path: Path) -> None:
    assert free_on_host(tmp_path, tmp_path / "absent") == 900 * MB


def test_a_pod_has_what_its_limit_leaves_file_cache_not_counted(tmp_path: Path) -> None:
    statistics = f"anon {100 * MB}\ninactive_file {30 * MB}\nactive_file {20 * MB}"
    write(tmp_path, memory_max=500 * MB, memory_current=200 * MB, memory_stat=statistics)
    assert free(tmp_path, "0::/\n") == 350 * MB


def test_the_first_version_of_cgroups_is_read_too(tmp_path: Path) -> None:
    statistics = f"cache {90 * MB}\ntotal_inactive_file {30 * MB}\ntotal_active_file {20 * MB}"
    write(
        tmp_path / "memory" / "pod",
        memory_limit_in_bytes=500 * MB,
        memory_usage_in_bytes=200 * MB,
        memory_stat=statistics,
    )
    write(tmp_path / "memory", memory_limit_in_bytes=2**63 - 4096, memory_usage_in_bytes=700 * MB)  # that is no limit
    assert free(tmp_path, "7:pids:/pod\n4:memory:/pod\n0::/\n") == 350 * MB


def test_the_tightest_of_the_enclosing_cgroups_decides(tmp_path: Path) -> None:
    write(tmp_path / "slice", memory_max=400 * MB, memory_current=390 * MB)
    write(tmp_path / "slice" / "scope", memory_max="max", memory_current=100 * MB)
    assert free(tmp_path, "0::/slice/scope\n") == 10 * MB


def test_a_path_of_the_host_that_the_container_does_not_see_leads_to_its_root(tmp_path: Path) -> None:
    write(tmp_path, memory_max=500 * MB, memory_current=200 * MB)
    assert free(tmp_path, "0::/kubepods/pod-1\n") == 300 * MB


def test_more_than_the_machine_has_is_not_free_whatever_a_limit_says(tmp_path: Path) -> None:
    write(tmp_path, memory_max=5000 * MB, memory_current=200 * MB)
    assert free(tmp_path, "0::/\n") == 900 * MB


def test_a_cgroup_that_is_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    write(tmp_path, memory_max=100 * MB, memory_current=200 * MB)
    assert free(tmp_path, "0::/\n") == 0
