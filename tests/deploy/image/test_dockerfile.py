"""The Dockerfile is clean, installs what was tested together, and builds little anew when code changes."""

import re

import pytest

from tests.deploy.image.dockerfile import PATH, stages
from tests.deploy.k8s.rendering import TRAINING, render, works
from tests.programs import PROGRAMS, ROOT, finish

CODE = re.compile(r"launcher|trainer|sharding|\.whl")


def test_hadolint_finds_nothing() -> None:
    if not (PROGRAMS / "hadolint").is_file():
        pytest.skip("the test extra is not installed")
    assert finish("hadolint", PATH).out == ""


@pytest.mark.parametrize("name", ["convert", "train", "serve"])
def test_a_change_of_code_builds_nothing_anew_but_its_wheel_and_the_layer_that_it_is_installed_in(name: str) -> None:
    heavy = [step for step in stages()[f"{name}-packages"] if step.instruction in {"COPY", "RUN"}]
    assert heavy
    assert not [step for step in heavy if CODE.search(step.words)]
    *before, last = [step.words for step in stages()[name] if step.instruction in {"COPY", "RUN"}]
    assert before == [f"--from={name}-packages /opt/lmmtc /opt/lmmtc"]
    assert last.endswith("pip install --no-cache-dir --no-deps --no-index /wheel/*.whl")


@pytest.mark.parametrize("name", ["convert", "train", "serve"])
def test_an_image_runs_as_the_user_of_the_pods(name: str) -> None:
    (work,) = works(render(TRAINING[0]))
    user = work.pod["securityContext"]["runAsUser"]
    assert [step.words for step in stages()[name] if step.instruction == "USER"] == [f"{user}:{user}"]


def test_pip_installs_only_what_is_pinned() -> None:
    installs = [
        command
        for steps in stages().values()
        for step in steps
        if step.instruction == "RUN"
        for command in step.words.split("&&")
        if "pip install" in command
    ]
    assert len(installs) == 10
    assert all(re.search(r"--constraint constraints\.txt|--no-deps|\^torch==", command) for command in installs)


def test_what_is_copied_reaches_the_build() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"]
    for steps in stages().values():
        for step in steps:
            if step.instruction == "COPY" and not step.words.startswith("--from"):
                for source in step.words.split()[:-1]:
                    assert (ROOT / source).exists()
                    assert any(source == name or source.startswith(f"{name}/") for name in kept)
