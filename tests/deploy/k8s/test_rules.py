"""Every overlay keeps the project's own rules, and each rule finds the mistake that it is there for."""

from typing import Any

import pytest

from tests.deploy.k8s.rendering import FOLDERS, Manifest, of_kind, render, works
from tests.deploy.k8s.rules import complaints

Path = tuple[str | int, ...]

JOB: Path = ("Job", "spec")
POD: Path = (*JOB, "template", "spec")
WORKER: Path = (*POD, "containers", 0)
SET: Path = ("JobSet", "spec")
IN_SET: Path = (*SET, "replicatedJobs", 0, "template", "spec")

SMOKE = "overlays/cpu-smoke"

GONE = object()  # what takes a field out

# Where, which field becomes what, and words of the complaint.
MISTAKES: list[tuple[Path, Any, str]] = [
    (("PodDisruptionBudget", "spec", "minAvailable"), "100%", "must be the whole number"),
    (("PodDisruptionBudget", "spec", "maxUnavailable"), 0, "maxUnavailable not there"),
    ((*POD, "restartPolicy"), "OnFailure", "restartPolicy Never must be there"),
    ((*JOB, "podFailurePolicy"), GONE, "restartPolicy Never must be there"),
    ((*JOB, "podReplacementPolicy"), "TerminatingOrFailed", "podReplacementPolicy must be Failed"),
    ((*JOB, "backoffLimitPerIndex"), 1, "backoffLimitPerIndex must not be there"),
    ((*JOB, "podFailurePolicy", "rules", 0, "onExitCodes", "values"), [77], "exit code 78 must fail the Job"),
    ((*JOB, "podFailurePolicy", "rules", 1, "action"), "Count", "exit code 75 must be free"),
    ((*JOB, "podFailurePolicy", "rules", 2, "action"), "FailJob", "an eviction must be free"),
    ((*WORKER, "name"), "trainer", "names a container that is not there"),
    ((*JOB, "completionMode"), "NonIndexed", "completionMode must be Indexed"),
    ((*JOB, "completions"), 2, "completions = 2, parallelism and LMMTC_PODS must be equal"),
    ((*JOB, "parallelism"), 2, "parallelism and LMMTC_PODS must be equal"),
    ((*IN_SET, "template", "spec", "containers", 0, "env", 3, "value"), "4", "LMMTC_PODS must be equal"),
    ((*IN_SET, "backoffLimit"), 6, "backoffLimit must be 0"),
    ((*SET, "replicatedJobs", 0, "replicas"), 2, "replicas must be 1"),
    ((*SET, "failurePolicy", "rules", 1, "name"), "start-again", "must have no hyphens"),
    ((*SET, "failurePolicy", "rules", 0, "action"), "RestartJobSet", "code 78 must fail the JobSet"),
    ((*SET, "failurePolicy", "rules", 0, "onJobFailureMessagePatterns"), GONE, "for exit code 78 alone"),
    ((*SET, "network", "publishNotReadyAddresses"), False, "network.publishNotReadyAddresses must be true"),
    ((*IN_SET, "podFailurePolicy", "rules", 0, "onExitCodes", "values"), [78], "exit code 75 must be free"),
    ((*IN_SET, "podFailurePolicy", "rules", 1, "action"), "Ignore", "an eviction must be free"),
    ((*WORKER, "command"), ["sh", "-c", "lmmtc train"], "must be the container's first process"),
    ((*WORKER, "args", 1), "4", "--nproc must be LMMTC_RANKS_PER_POD"),
    ((*POD, "terminationGracePeriodSeconds"), 120, "must be at least --grace 120 + 30"),
    ((*WORKER, "args", 6), "/etc/other.toml", "the configuration must be the ConfigMap's"),
    ((*POD, "volumes", 2, "emptyDir", "sizeLimit"), "512Gi", "its sizeLimit must be 1Gi below"),
    ((*POD, "volumes", 2, "emptyDir", "sizeLimit"), GONE, "its sizeLimit must be 1Gi below"),
    ((*WORKER, "resources", "requests", "cpu"), "1", "requests must be there and equal limits"),
    ((*WORKER, "resources", "limits"), {"cpu": "1"}, "requests must be there and equal limits"),
    ((*WORKER, "env", 0, "value"), "4", "nvidia.com/gpu = 8: must be LMMTC_RANKS_PER_POD = 4"),
    ((*WORKER, "ports", 7), GONE, "one for each of 8 ranks"),
    ((*POD, "securityContext", "runAsNonRoot"), False, "pods must run as a user of their own"),
    ((*POD, "securityContext", "runAsUser"), 0, "pods must run as a user of their own"),
    ((*POD, "securityContext", "seccompProfile"), GONE, "seccompProfile must be RuntimeDefault"),
    ((*POD, "hostNetwork"), True, "must not share the node's namespaces"),
    ((*POD, "automountServiceAccountToken"), GONE, "automountServiceAccountToken must be false"),
    ((*POD, "volumes", 0), {"name": "data", "hostPath": {"path": "/data"}}, "volume data must be one of"),
    ((*WORKER, "securityContext", "allowPrivilegeEscalation"), GONE, "allowPrivilegeEscalation must be false"),
    ((*WORKER, "securityContext", "capabilities", "add"), ["IPC_LOCK"], "capabilities must be dropped"),
    ((*WORKER, "securityContext", "readOnlyRootFilesystem"), False, "readOnlyRootFilesystem must be true"),
    ((*WORKER, "securityContext", "runAsUser"), 0, "must not be taken back"),
    ((*WORKER, "env", 5, "value"), "/opt/huggingface", "HF_HOME must be a folder that can be written"),
    ((*WORKER, "env", 9), GONE, "TRITON_CACHE_DIR must be a folder that can be written"),
    ((*WORKER, "volumeMounts", 4), GONE, "must be a volume, because the root is read-only"),
    ((*WORKER, "image"), "registry.example.com:5000/lmmtc-train", "must have a tag, and not latest"),
    ((*WORKER, "image"), "lmmtc-train:latest", "must have a tag, and not latest"),
    ((*WORKER, "env", 4), {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}, "AWS_SECRET_ACCESS_KEY must come from a S"),
    (("ConfigMap", "data", "AWS_ACCESS_KEY_ID"), "x", "AWS_ACCESS_KEY_ID must come from a Secret"),
    (("ConfigMap", "data", "run.toml"), "[run]\nfolder = 'x'\nfoldr = 'y'", "run.foldr: unknown key"),
    (("ConfigMap", "data", "run.toml"), "[run", "ConfigMap run: "),
    (("ConfigMap", "kind"), "Secret", "secrets must not be kept with manifests"),
    (("Namespace", "metadata", "labels"), {}, "must enforce restricted pods"),
    (("Service", "metadata", "namespace"), "default", "Service ranks: must be in the namespace that is made"),
    (("Service", "spec", "publishNotReadyAddresses"), GONE, "must be headless and publishNotReadyAddresses"),
    (("Service", "spec", "clusterIP"), GONE, "must be headless and publishNotReadyAddresses"),
    (("Service", "spec", "selector", "app.kubernetes.io/name"), "other", "Service: must select the pods"),
    (("Service", "metadata", "name"), "other", "subdomain = 'ranks': must be the name of a Service"),
    ((*POD, "subdomain"), "other", "subdomain = 'other': must be the name of a Service"),
    (("NetworkPolicy", "spec", "policyTypes"), ["Ingress"], "must bound what comes in and what goes out"),
    (("NetworkPolicy", "spec", "ingress", 0, "ports"), [{"port": 29500}], "peers, and nobody else, must reach all"),
    (("NetworkPolicy", "spec", "ingress", 0, "from", 0), {"podSelector": {}}, "peers, and nobody else"),
    (
        ("NetworkPolicy", "spec", "ingress", 1, "from"),
        [{"namespaceSelector": {}}],
        "from the namespace monitoring alone",
    ),
    (("NetworkPolicy", "spec", "ingress", 1, "ports", 0, "endPort"), 9403, "monitoring must reach port 9407"),
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_rendered_keeps_all_rules(folder: str) -> None:
    assert complaints(render(folder)) == []


def test_deleting_the_smoke_test_deletes_nothing_of_another_folder() -> None:
    smoke, others = ({address(each) for each in found} for found in (render(SMOKE), of_others()))
    assert smoke.isdisjoint(others)


def of_others() -> list[Manifest]:
    return [manifest for folder in FOLDERS if folder != SMOKE for manifest in render(folder)]


def address(manifest: Manifest) -> tuple[str, str, str]:
    """Name an object as a cluster does."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def test_conversion_has_no_network_whatever_else_lives_in_its_namespace() -> None:
    (conversion,) = works(render("convert"))
    labels = conversion.job["template"]["metadata"]["labels"].items()
    policies = [each["spec"] for folder in FOLDERS for each in of_kind(render(folder), "NetworkPolicy")]
    found = [policy for policy in policies if policy["podSelector"]["matchLabels"].items() <= labels]
    assert {kind for policy in found for kind in policy["policyTypes"]} == {"Ingress", "Egress"}
    assert not any(policy.get("ingress") or policy.get("egress") for policy in found)  # they add up


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=lambda part: part if isinstance(part, str) else "")
def test_a_planted_mistake_is_found(path: Path, value: Any, words: str) -> None:
    manifests = render("overlays/multi-node" if path[0] == "JobSet" else "overlays/one-node")
    plant(manifests, path, value)
    assert any(words in complaint for complaint in complaints(manifests)), complaints(manifests)


def plant(manifests: list[Manifest], path: Path, value: Any) -> None:
    """Set, or take out, a field of the first manifest of a kind."""
    kind, *parents, last = path
    node: Any = of_kind(manifests, str(kind))[0]
    for part in parents:
        node = node[part]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
