"""What holds between the fields of our manifests, and no schema knows: a pure function from manifests to complaints."""

import tomllib
from collections.abc import Iterator

from tests.deploy.k8s.job_rules import JOB_RULES, of_job_sets
from tests.deploy.k8s.pod_rules import POD_RULES, is_secret
from tests.deploy.k8s.rendering import Manifest, Work, of_kind, works
from trainer.config import check_config
from trainer.errors import ConfigError


def complaints(manifests: list[Manifest]) -> list[str]:
    """Name all that is wrong, each with where it is."""
    of_works = [
        f"{work.where}: {said}" for work in works(manifests) for rule in RULES for said in rule(manifests, work)
    ]
    return [*of_works, *_of_namespaces(manifests), *_of_config_maps(manifests), *of_job_sets(manifests)]


def _network(manifests: list[Manifest], work: Work) -> Iterator[str]:
    labels = work.job["template"]["metadata"]["labels"].items()
    policies = [
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels
    ]
    if {kind for policy in policies for kind in policy["policyTypes"]} != {"Ingress", "Egress"}:
        yield "a NetworkPolicy must bound what comes in and what goes out"
    if work.worker is None:
        return
    incoming = [entry for policy in policies for entry in policy.get("ingress", [])]
    peers = [entry for entry in incoming if "ports" not in entry]
    selectors = [peer.get("podSelector", {}).get("matchLabels", {}) for entry in peers for peer in entry["from"]]
    if not selectors or not all(selector and selector.items() <= labels for selector in selectors):
        yield "NetworkPolicy: peers, and nobody else, must reach all ports: ranks meet at any"
    outgoing = [entry for policy in policies for entry in policy.get("egress", []) if "ports" not in entry]
    if [entry["to"] for entry in outgoing] != [entry["from"] for entry in peers]:
        yield "NetworkPolicy: pods must reach their peers, and nobody else, at all ports"
    served = [entry for entry in incoming if "ports" in entry]
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    if any(entry["from"] != monitoring for entry in served):
        yield "NetworkPolicy: metrics must be read from the namespace monitoring alone"
    opened = [(port["port"], port.get("endPort", port["port"])) for entry in served for port in entry["ports"]]
    for port in (port["containerPort"] for port in work.worker.get("ports", [])):
        if not any(first <= port <= last for first, last in opened):
            yield f"NetworkPolicy: monitoring must reach port {port}"


def _meeting(manifests: list[Manifest], work: Work) -> Iterator[str]:
    if work.worker is None:
        return
    if work.where.startswith("JobSet"):
        networks = [manifest["spec"].get("network", {}) for manifest in of_kind(manifests, "JobSet")]
        if not all(network.get("publishNotReadyAddresses") for network in networks):
            yield "network.publishNotReadyAddresses must be true: ranks meet before they are ready"
        return
    services = [found for found in of_kind(manifests, "Service") if found["metadata"]["name"] == work.service]
    if not services:
        yield f"subdomain = {work.service!r}: must be the name of a Service"
    for service in services:
        if service["spec"].get("clusterIP") != "None" or not service["spec"].get("publishNotReadyAddresses"):
            yield "Service: must be headless and publishNotReadyAddresses: ranks meet before they are ready"
        if not service["spec"]["selector"].items() <= work.job["template"]["metadata"]["labels"].items():
            yield "Service: must select the pods"


def _of_config_maps(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in of_kind(manifests, "Secret"):
        yield f"Secret {manifest['metadata']['name']}: secrets must not be kept with manifests"
    for manifest in of_kind(manifests, "ConfigMap"):
        where = f"ConfigMap {manifest['metadata']['name']}"
        for name in filter(is_secret, manifest["data"]):
            yield f"{where}: {name} must come from a Secret"
        if "run.toml" in manifest["data"]:
            try:
                check_config(tomllib.loads(manifest["data"]["run.toml"]), "run.toml")
            except (ConfigError, tomllib.TOMLDecodeError) as error:
                yield f"{where}: {error}"


def _of_namespaces(manifests: list[Manifest]) -> Iterator[str]:
    for namespace in of_kind(manifests, "Namespace"):
        if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield "Namespace: must enforce restricted pods"
    names = {namespace["metadata"]["name"] for namespace in of_kind(manifests, "Namespace")}
    for manifest in manifests:
        if manifest["kind"] != "Namespace" and manifest["metadata"].get("namespace") not in names:
            yield f"{manifest['kind']} {manifest['metadata']['name']}: must be in the namespace that is made"


RULES = (*POD_RULES, *JOB_RULES, _network, _meeting)
