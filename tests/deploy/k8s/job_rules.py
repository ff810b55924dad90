"""What holds between the fields of a Job or JobSet: what an end means, how many pods and ranks there are, the start."""

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.deploy.k8s.rendering import Manifest, Work, command_line, environment, of_kind

START_AGAIN, CONFIGURATION = 75, 78
GRACE = 30  # seconds beyond --grace


def _failures(_: list[Manifest], work: Work) -> Iterator[str]:
    job = work.job
    if "podFailurePolicy" not in job or work.pod.get("restartPolicy") != "Never":
        yield "podFailurePolicy and restartPolicy Never must be there: exit codes decide, and one needs the other"
    if job.get("podReplacementPolicy") != "Failed":
        yield "podReplacementPolicy must be Failed: the only one beside a podFailurePolicy"
    if "backoffLimitPerIndex" in job:
        yield "backoffLimitPerIndex must not be there: ranks depend on each other"


def _codes(_: list[Manifest], work: Work) -> Iterator[str]:
    rules = _actions(work)
    in_job_set = work.where.startswith("JobSet")
    if rules.get(CONFIGURATION) != "FailJob":
        yield "exit code 78 must fail the Job: starting again does not help"
    if work.worker and rules.get(START_AGAIN) != ("FailJob" if in_job_set else "Ignore"):
        yield "exit code 75 must be free: Ignore in a Job, FailJob in a JobSet, which starts all again"
    if rules.get("DisruptionTarget") != ("FailJob" if in_job_set else "Ignore"):
        yield "an eviction must be free: Ignore in a Job, FailJob in a JobSet, which starts all again"
    names = {container["name"] for container in work.containers}
    for rule in work.job.get("podFailurePolicy", {}).get("rules", []):
        if "onExitCodes" in rule and rule["onExitCodes"].get("containerName") not in names:
            yield "podFailurePolicy names a container that is not there"


def _actions(work: Work) -> dict[Any, str]:
    """Say what is done by exit code, and by condition."""
    found: dict[Any, str] = {}
    for rule in work.job.get("podFailurePolicy", {}).get("rules", []):
        causes = [*rule.get("onExitCodes", {}).get("values", []), *(c["type"] for c in rule.get("onPodConditions", []))]
        for cause in causes:
            found.setdefault(cause, rule["action"])
    return found


def of_job_sets(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in of_kind(manifests, "JobSet"):
        spec, where = manifest["spec"], f"JobSet {manifest['metadata']['name']}"
        for part in spec["replicatedJobs"]:
            if part["template"]["spec"].get("backoffLimit") != 0:
                yield f"{where}: backoffLimit must be 0: the JobSet starts all pods again, and not the Job one"
            if part.get("replicas") != 1:
                yield f"{where}: replicas must be 1, with as many completions as nodes"
        rules = spec.get("failurePolicy", {}).get("rules", [])
        if any("-" in rule["name"] for rule in rules):
            yield f"{where}: names of rules must have no hyphens"
        if [rule["action"] for rule in rules] != ["FailJobSet", "RestartJobSetAndIgnoreMaxRestarts"]:
            yield f"{where}: code 78 must fail the JobSet, before any other failure of a pod starts it again for free"
        elif rules[0].get("onJobFailureMessagePatterns") != [f"exit code {CONFIGURATION}"]:
            yield f"{where}: the rule that fails the JobSet must be for exit code 78 alone"


def _nodes(manifests: list[Manifest], work: Work) -> Iterator[str]:
    if work.worker is None:
        return
    job, variables = work.job, environment(work, work.worker, 0)
    nodes = job.get("completions")
    if job.get("completionMode") != "Indexed":
        yield "completionMode must be Indexed: pods learn from it which they are"
    if nodes != job.get("parallelism") or str(nodes) != variables.get("LMMTC_PODS"):
        yield f"completions = {nodes}, parallelism and LMMTC_PODS must be equal: all pods run at once"
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        if budget["spec"].get("minAvailable") != nodes or "maxUnavailable" in budget["spec"]:
            yield f"PodDisruptionBudget: minAvailable must be the whole number {nodes}, and maxUnavailable not there"


def _ranks(manifests: list[Manifest], work: Work) -> Iterator[str]:
    if work.worker is None:
        return
    ranks = int(environment(work, work.worker, 0)["LMMTC_RANKS_PER_POD"])
    gpus = work.worker["resources"]["limits"].get("nvidia.com/gpu")
    if gpus is not None and int(gpus) != ranks:
        yield f"nvidia.com/gpu = {gpus}: must be LMMTC_RANKS_PER_POD = {ranks}"
    base = _metrics_port(manifests)
    ports = [port["containerPort"] for port in work.worker.get("ports", []) if port["name"].startswith("metrics-")]
    if base is None or ports != list(range(base, base + ranks)):
        yield f"ports {ports} must be telemetry.port = {base} and those after it, one for each of {ranks} ranks"


def _metrics_port(manifests: list[Manifest]) -> int | None:
    for found in of_kind(manifests, "ConfigMap"):
        with suppress(KeyError, tomllib.TOMLDecodeError):  # which is complained about where the configuration is read
            return tomllib.loads(found["data"]["run.toml"])["telemetry"]["port"]
    return None


def _start(_: list[Manifest], work: Work) -> Iterator[str]:
    if work.worker is None:
        return
    words = command_line(work, work.worker)
    if words[:2] != ["lmmtc", "train"]:
        yield "lmmtc train must be the container's first process: a shell would keep signals to itself"
        return
    if words[words.index("--nproc") + 1] != environment(work, work.worker, 0)["LMMTC_RANKS_PER_POD"]:
        yield "--nproc must be LMMTC_RANKS_PER_POD"
    grace = int(words[words.index("--grace") + 1])
    if work.pod.get("terminationGracePeriodSeconds", 30) < grace + GRACE:
        yield f"terminationGracePeriodSeconds must be at least --grace {grace} + {GRACE}, or a save is cut off"
    if words[-2:] != ["--config", "/etc/lmmtc/run.toml"]:
        yield "the configuration must be the ConfigMap's"


JOB_RULES = (_failures, _codes, _nodes, _ranks, _start)
