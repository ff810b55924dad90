"""Runs a rendered Job's pod under podman: real namespaces, users, capabilities and signals, without a cluster.

No registry is asked: the image is a root with nothing in it but folders and users, and on it lie, read-only, this
machine's /usr, its Python with all packages, and this checkout. podman plays Pods and not Jobs, so the Job controller's
part, a label, a variable and the expansion of $(...) in arguments, is done here. podman knows no fsGroup: the image's
folders belong to the pod's user instead.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.programs import ROOT

USER = 10001
IMAGE = "localhost/lmmtc-train:0.1.0"

Manifest = dict[str, Any]


class PodmanError(Exception):
    """What podman said when it could not do what it was asked."""


# What a machine that is a container itself may not raise: runc would end with an error.
SHIM = """\
#!{python}
import json, os, sys
words = sys.argv[1:]
if "create" in words:
    folder = next((words[at + 1] for at, word in enumerate(words) if word in ("--bundle", "-b")), ".")
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"].pop("rlimits", None)
    config["process"].pop("oomScoreAdj", None)
    with open(path, "w") as file:
        json.dump(config, file)
os.execv({runc!r}, ["runc", *words])
"""


def missing() -> str:
    """Say which program is not there."""
    return ", ".join(name for name in ("podman", "runc", "conmon") if shutil.which(name) is None)


@dataclass(frozen=True)
class Podman:
    """A podman of its own, with its own images, volumes and containers below `place`."""

    place: Path

    def set_up(self) -> None:
        """Write the runtime, import the image, and start a container; PodmanError where the machine refuses."""
        shim = self.place / "runc"
        shim.write_text(SHIM.format(python=sys.executable, runc=shutil.which("runc")), encoding="utf-8")
        shim.chmod(0o755)
        _write_root(self.place / "image")
        archive = self.place / "image.tar"
        subprocess.run(["tar", "-C", self.place / "image", "-cf", archive, "."], check=True)  # noqa: S607
        self("import", "--change", f"ENV PATH={Path(sys.prefix) / 'bin'}:/usr/bin:/bin", archive, IMAGE)
        self("run", "--rm", "--network", "host", "--volume", "/usr:/usr:ro", IMAGE, "/usr/bin/true")

    def __call__(self, *words: object, check: bool = True, timeout: float = 120) -> str:
        """Run a command of podman, and return what it says."""
        done = self._run(*words, timeout=timeout)
        if check and done.returncode:
            raise PodmanError(f"podman {words[0]}: {done.stderr}")
        return done.stdout

    def state(self, container: str) -> Manifest:
        """Say what podman knows of a container: Pid, Running, ExitCode."""
        return json.loads(self("inspect", "--format", "{{json .State}}", container))

    def play(self, manifests: list[Manifest]) -> None:
        """Start what is described, on the machine's own network, after its init containers have ended."""
        path = self.place / "pod.yaml"
        path.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
        self("kube", "play", "--network", "host", path, timeout=200)

    def replace(self, manifests: list[Manifest]) -> None:
        """Start what is described again, in a pod that is new but for its claims."""
        self("kube", "down", self.place / "pod.yaml")
        self.play(manifests)

    def logs(self, container: str) -> str:
        """Return all that a container has said, on both streams."""
        said = self._run("logs", container)
        return said.stdout + said.stderr

    def clean(self) -> None:
        """End all containers, and remove all that is there."""
        self("pod", "rm", "--all", "--force", "--time", 1, check=False)
        shutil.rmtree(self.place)

    def _run(self, *words: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        # Without overlays, which leave mounts behind, and which a machine may refuse.
        command = ["podman", "--root", self.place / "root", "--runroot", self.place / "run", "--storage-driver", "vfs"]
        command += ["--runtime", self.place / "runc", "--log-level", "error", *words]
        return subprocess.run([str(w) for w in command], check=False, timeout=timeout, capture_output=True, text=True)


def pod_of(job: Manifest, scratch: Path) -> Manifest:
    """Make of a Job's template the Pod that its controller makes, on this machine's files.

    scratch: a folder of the pod's user with what `lmmtc setup` has built, which the image brings along.
    """
    template = copy.deepcopy(job["spec"]["template"])
    name = job["metadata"]["name"]
    labels = template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name}
    spec = template["spec"]
    mounts = {f"machine-{number}": path for number, path in enumerate(_machine())}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        container["image"] = IMAGE
        container.pop("ports", None)  # all are the machine's own
        values = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
        container["args"] = [_expanded(word, values) for word in container.get("args", [])]
        container["env"] += [
            {"name": "JOB_COMPLETION_INDEX", "value": "0"},
            {"name": "PYTHONPATH", "value": str(ROOT)},
            {"name": "TORCH_DONT_CHECK_COMPILER_ABI", "value": "1"},
        ]
        container["volumeMounts"] += [
            {"name": volume, "mountPath": str(path), "readOnly": True} for volume, path in mounts.items()
        ]
    spec["containers"][0]["volumeMounts"].append({"name": "scratch", "mountPath": "/cache/torch_extensions"})
    spec["volumes"] += [{"name": volume, "hostPath": {"path": str(path)}} for volume, path in mounts.items()]
    spec["volumes"].append({"name": "scratch", "hostPath": {"path": str(scratch)}})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-0", "labels": labels}, "spec": spec}


def _expanded(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"$({name})", value)
    return word


def _machine() -> list[Path]:
    """Name the folders that a process of this interpreter needs, none of them within another."""
    folders = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), ROOT}
    return [folder for folder in sorted(folders) if not any(folder.is_relative_to(a) for a in folders - {folder})]


def _write_root(root: Path) -> None:
    for folder in ("etc", "proc", "sys", "dev", "tmp", "data", "runs", "cache"):
        (root / folder).mkdir(parents=True)
    for folder in _machine():
        (root / folder.relative_to("/")).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    for name in ("alternatives", "ld.so.cache"):
        if (source := Path("/etc") / name).is_dir():
            shutil.copytree(source, root / "etc" / name, symlinks=True)
        elif source.is_file():
            shutil.copy(source, root / "etc" / name)
    (root / "etc/passwd").write_text(f"lmmtc:x:{USER}:{USER}::/cache:/usr/sbin/nologin\n", encoding="utf-8")
    (root / "etc/group").write_text(f"lmmtc:x:{USER}:\n", encoding="utf-8")
    for folder in ("tmp", "data", "runs", "cache"):
        os.chown(root / folder, USER, USER)
