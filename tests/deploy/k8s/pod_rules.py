"""What every pod of ours must be: restricted, read-only but for its volumes, bounded, and without secrets in sight."""

from collections.abc import Iterator

from tests.deploy.k8s.rendering import Manifest, Work, environment

CACHES = ("HOME", "HF_HOME", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
OWN_MEMORY = 1 << 30  # bytes that a container needs beside its shared memory
UNITS = {"": 1, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def _restricted(_: list[Manifest], work: Work) -> Iterator[str]:
    pod = work.pod
    security = pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser"):
        yield "pods must run as a user of their own: securityContext.runAsNonRoot and runAsUser"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile must be RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false: no pod speaks to the API server"
    if any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        yield "pods must not share the node's namespaces"
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim"}
    for volume in pod.get("volumes", []):
        if set(volume) - {"name"} - allowed:
            yield f"volume {volume['name']} must be one of {', '.join(sorted(allowed))}"
    for container in work.containers:
        yield from (f"container {container['name']}: {said}" for said in _locked(container.get("securityContext", {})))


def _locked(security: Manifest) -> Iterator[str]:
    if security.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation must be false"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities must be dropped, all of them"
    if not security.get("readOnlyRootFilesystem"):
        yield "readOnlyRootFilesystem must be true"
    if security.get("privileged") or "runAsUser" in security:
        yield "what is said of the pod must not be taken back"


def _writable(_: list[Manifest], work: Work) -> Iterator[str]:
    for container in work.containers:
        folders = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        variables = environment(work, container, 0)
        needed = CACHES if container is work.worker else ("HOME",)
        for name in needed:
            if not any(f"{variables.get(name)}/".startswith(f"{folder}/") for folder in folders):
                yield f"container {container['name']}: {name} must be a folder that can be written"
        if "/tmp" not in folders:  # noqa: S108  # the pod's
            yield f"container {container['name']}: /tmp must be a volume, because the root is read-only"


def _images(_: list[Manifest], work: Work) -> Iterator[str]:
    for container in work.containers:
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in container["image"] and tag in {"", "latest"}:
            yield f"container {container['name']}: image {container['image']} must have a tag, and not latest"


def _resources(_: list[Manifest], work: Work) -> Iterator[str]:
    for container in work.containers:
        resources = container.get("resources", {})
        if (
            not {"cpu", "memory"} <= set(resources.get("limits", {}))
            or resources.get("requests") != resources["limits"]
        ):
            yield f"container {container['name']}: requests must be there and equal limits, or the pod is evicted first"
    for volume in work.pod.get("volumes", []):
        if (memory := volume.get("emptyDir", {})).get("medium") == "Memory":
            limit = work.containers[-1]["resources"]["limits"].get("memory", "0")
            if "sizeLimit" not in memory or _bytes(limit) < _bytes(memory["sizeLimit"]) + OWN_MEMORY:
                yield f"volume {volume['name']} counts as memory: its sizeLimit must be 1Gi below the limit of {limit}"


def _bytes(amount: str) -> int:
    number = amount.rstrip("MGTi")
    return int(number) * UNITS[amount[len(number) :]]


def _secrets(_: list[Manifest], work: Work) -> Iterator[str]:
    for container in work.containers:
        for entry in container.get("env", []):
            if "value" in entry and is_secret(entry["name"]):
                yield f"container {container['name']}: {entry['name']} must come from a Secret"


def is_secret(name: str) -> bool:
    return any(word in name.upper() for word in ("SECRET", "ACCESS_KEY", "TOKEN", "PASSWORD"))


POD_RULES = (_restricted, _writable, _images, _resources, _secrets)
