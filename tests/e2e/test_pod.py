"""The pod of the overlay cpu-smoke in real containers: trains, is scraped, is stopped, goes on when started again."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.request import urlopen

import pytest

from launcher.ports import free_port
from tests.deploy.k8s.rendering import of_kind, render
from tests.e2e.podman import USER, Podman, PodmanError, missing, pod_of
from tests.programs import PROGRAMS, finish

pytestmark = [pytest.mark.ranks, pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = 100
PORT = 9400  # in the manifests; a pod on the machine's own network takes what is free there
CONTAINER = "train-0-worker"


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Set podman up, or say why this machine has none that works."""
    if missing():
        pytest.skip(f"not installed: {missing()}")
    if os.geteuid():
        pytest.skip("only root may give files to the pod's user")
    podman = Podman(Path(mkdtemp(prefix="lmmtc-podman-")))
    try:
        podman.set_up()
        yield podman
    except PodmanError as error:
        pytest.skip(f"this machine refuses containers: {error}")
    finally:
        podman.clean()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy DeepSpeed's op, which is built on this machine and part of the image, for the pod's user."""
    finish(PROGRAMS / "lmmtc", "setup", timeout=280)
    from torch.utils.cpp_extension import _get_build_directory

    folder = tmp_path_factory.mktemp("scratch") / "torch_extensions"
    shutil.copytree(Path(_get_build_directory("deepspeed_shm_comm", verbose=False)).parent, folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return folder


def wait_until(happened: Callable[[], object], podman: Podman, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert podman.state(CONTAINER)["Running"], podman.logs(CONTAINER)
        assert time.monotonic() < deadline, podman.logs(CONTAINER)
        time.sleep(0.05)


def scraped(port: int) -> dict[str, float]:
    """Read the metrics of a rank, those without labels; none where it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    return {
        name: float(value)
        for name, _, value in (line.partition(" ") for line in lines)
        if "{" not in name and name != "#"
    }


def trained_on(port: int) -> bool:
    return scraped(port).get("lmmtc_train_steps_total", 0) > 0


def status_of(process: int) -> dict[str, str]:
    """Ask the machine's own kernel what it thinks of a process in a container."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def events(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def check_confined(process: int) -> None:
    """Check that the first process is `lmmtc train`, another user's, without capabilities, on a read-only root."""
    status = status_of(process)
    assert status["Uid"].split() == [str(USER)] * 4
    assert status["NSpid"].split()[-1] == "1"
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    words = Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8").split("\0")
    assert [Path(words[1]).name, words[2]] == ["lmmtc", "train"]
    mounts = [line.split() for line in Path(f"/proc/{process}/mountinfo").read_text(encoding="utf-8").splitlines()]
    assert [fields[5].split(",")[0] for fields in mounts if fields[4] == "/"] == ["ro"]


def test_a_pod_trains_is_scraped_is_stopped_and_goes_on(podman: Podman, built: Path) -> None:
    first = free_port(in_a_row=2)
    manifests = render("overlays/cpu-smoke")
    (job,) = of_kind(manifests, "Job")
    (run,) = of_kind(manifests, "ConfigMap")
    run["data"]["run.toml"] = run["data"]["run.toml"].replace(f"port = {PORT}", f"port = {first}")
    pod = pod_of(job, built)

    podman.play([*of_kind(manifests, "PersistentVolumeClaim"), run, pod])
    wait_until(lambda: trained_on(first) and trained_on(first + 1), podman, 240)
    wait_until(lambda: scraped(first).get("lmmtc_world_size") == 2, podman, 60)
    check_confined(podman.state(CONTAINER)["Pid"])
    podman("stop", "--time", job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], CONTAINER, timeout=200)
    said = podman.logs(CONTAINER)
    assert podman.state(CONTAINER)["ExitCode"] == 75, said
    assert "lmmtc train: SIGTERM is handed on to 2 ranks\n" in said
    assert "lmmtc train: exit code 75: a stop was asked for, and the state was saved\n" in said

    podman.replace([run, pod])
    wait_until(lambda: trained_on(first), podman, 240)
    assert podman("wait", CONTAINER, timeout=400).strip() == "0", podman.logs(CONTAINER)
    said = podman.logs(CONTAINER)
    assert "lmmtc train: exit code 0: the run is done\n" in said
    [resumed] = [event["step"] for event in events(said) if event["event"] == "start"]
    assert 0 < resumed < STEPS
    assert [event["step"] for event in events(said) if event["event"] == "step"] == [*range(resumed + 1, STEPS + 1)]
