"""One command for Prometheus and Grafana on this machine: the first is real, the second is not to be had here."""

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import yaml

from deploy.grafana.reading import FOLDER
from launcher.ports import free_port
from tests.deploy.prometheus.rules import all_rules, load
from tests.programs import ROOT, end_of, finish, started
from tests.prometheus_server import LOCAL, fetch, is_ready, wait_until

RUN = ROOT / "deploy" / "local" / "run.sh"
PROVISIONING = RUN.parent / "provisioning"

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="the Debian package prometheus is not installed"
)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make a folder that is all of PATH: the tools of a small machine, and neither Prometheus nor Grafana."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mkdir", "realpath"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


def install(name: str, tools: Path) -> None:
    (tools / name).symlink_to(shutil.which(name) or "")


def install_fake_grafana(name: str, tools: Path) -> Path:
    """Put a program there that writes down how it was started, for there is no Grafana to install; returns the file."""
    said = tools / "said.json"
    program = tools / name
    program.write_text(
        f"#!{shutil.which('python3')}\nimport json, os, signal, sys\n"
        f"json.dump([sys.argv[1:], dict(os.environ)], open('{said}.part', 'w'))\n"
        f"os.rename('{said}.part', '{said}')\nsignal.pause()\n"
    )
    program.chmod(0o755)
    return said


@contextmanager
def running(tools: Path, folder: Path, **environment: object) -> Iterator[tuple[Popen[str], int]]:
    port = free_port()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else tests in the background hand on that they ignore it
    with started(RUN, folder, env={"PATH": tools, "PROMETHEUS_PORT": port} | environment) as program:
        yield program, port


def test_without_prometheus_it_says_how_to_get_it(tools: Path, tmp_path: Path) -> None:
    said = finish(RUN, tmp_path / "data", code=1, env={"PATH": tools}).err
    assert said == "Prometheus is not installed: apt-get install prometheus, or https://prometheus.io/download\n"


@needs_prometheus
def test_prometheus_comes_up_with_our_rules_and_ctrl_c_ends_it(tools: Path, tmp_path: Path) -> None:
    install("prometheus", tools)
    with running(tools, tmp_path / "data") as (program, port):
        wait_until(lambda: is_ready(port))
        groups = fetch(f"http://{LOCAL}:{port}/api/v1/rules")["data"]["groups"]
        program.send_signal(signal.SIGINT)
        said = end_of(program)
    assert sum(len(group["rules"]) for group in groups) == len(all_rules(load("rules.yml")))
    assert said.out == f"Prometheus: http://127.0.0.1:{port}\n"
    assert "Grafana is not installed, so there are no dashboards: https://grafana.com/grafana/download\n" in said.err
    assert not is_ready(port)


@needs_prometheus
def test_what_it_holds_lies_in_the_folder(tools: Path, tmp_path: Path) -> None:
    install("prometheus", tools)
    with running(tools, tmp_path / "data") as (_, port):
        wait_until(lambda: is_ready(port))
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["prometheus"]


@needs_prometheus
def test_the_end_of_prometheus_is_the_end_of_all(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prometheus").touch()  # where its folder should be
    install("prometheus", tools)
    install_fake_grafana("grafana", tools)
    with running(tools, tmp_path / "data") as (program, _):
        assert "not a directory" in end_of(program, code=2).err


@needs_prometheus
@pytest.mark.parametrize(("name", "words"), [("grafana", ["server"]), ("grafana-server", [])])
def test_grafana_finds_boards_and_prometheus(name: str, words: list[str], tools: Path, tmp_path: Path) -> None:
    install("prometheus", tools)
    written = install_fake_grafana(name, tools)
    with running(tools, tmp_path / "data", GRAFANA_HOME=tmp_path, GRAFANA_PORT=1234) as (_, port):
        wait_until(written.is_file)
    arguments, environment = json.loads(written.read_text())
    assert arguments == [*words, "--homepath", str(tmp_path)]
    assert Path(environment["GF_PATHS_PROVISIONING"]) == PROVISIONING
    assert Path(environment["GF_PATHS_DATA"]).parent == tmp_path / "data"
    assert (environment["GF_SERVER_HTTP_ADDR"], environment["GF_SERVER_HTTP_PORT"]) == ("127.0.0.1", "1234")
    [provider] = provisioned("dashboards", environment)["providers"]
    assert Path(provider["options"]["path"]) == FOLDER
    [source] = provisioned("datasources", environment)["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", f"http://127.0.0.1:{port}")


def test_grafana_is_told_how_often_prometheus_scrapes() -> None:
    [source] = provisioned("datasources", {})["datasources"]
    assert source["jsonData"]["timeInterval"] == load("prometheus.yml")["global"]["scrape_interval"]


def provisioned(kind: str, environment: dict[str, str]) -> dict[str, Any]:
    """Read the one file of a kind as Grafana does, which puts variables in the place of their names."""
    [path] = (PROVISIONING / kind).iterdir()
    text = path.read_text(encoding="utf-8")
    for name, value in environment.items():
        text = text.replace(f"${name}", value)
    return yaml.safe_load(text)
