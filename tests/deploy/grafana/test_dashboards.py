"""The boards: up to date, about metrics that there are, and in agreement with the alerts."""

import re
from typing import Any

import promql_parser
import pytest

from deploy.grafana.__main__ import dashboards
from deploy.grafana.panels import names_in
from deploy.grafana.queries import series
from deploy.grafana.reading import FOLDER, Question, boards, panels, questions
from tests.deploy.prometheus.rules import all_rules, load, names
from trainer.telemetry import CATALOGUE, SERVING

RULES = all_rules(load("rules.yml"))
RECORDED = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
ALERTS = {rule["alert"]: rule["expr"] for rule in RULES if "alert" in rule}

# A loss that rises is judged by what it was in the last hour, and a run that does not train by what it has never shown:
# a line has no limit that says so. Marks show these alerts.
WITHOUT_A_LIMIT = {"LmmtcLossSpike", "LmmtcNotTraining"}

BOARDS = boards()
ASKED = [question for board in BOARDS.values() for question in questions(board, "1m")]
PANELS = [panel for board in BOARDS.values() for panel in panels(board)]

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
every_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
every_question = pytest.mark.parametrize("question", ASKED, ids=lambda question: f"{question.title} {question.ref_id}")


def exported() -> dict[str, str]:
    """Give each series' name the metric of the catalogue that it belongs to."""
    histogram = ("_bucket", "_sum", "_count")
    return {
        metric.exported_name + suffix: metric.exported_name
        for metric in (*CATALOGUE, *SERVING)
        for suffix in (histogram if metric.kind == "histogram" else ("",))
    }


def metrics_behind(name: str) -> set[str]:
    """Follow what is recorded to the metrics that it is recorded from; KeyError for a name that nobody exports."""
    if name in RECORDED:
        return {
            metric for part in names(RECORDED[name]) - {"process_start_time_seconds"} for metric in metrics_behind(part)
        }
    return {exported()[name]}


def test_the_files_are_what_the_generator_makes() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert written == dashboards(), "run: python -m deploy.grafana"


@every_question
def test_a_panel_asks_for_what_is_exported_or_recorded(question: Question) -> None:
    assert all(metrics_behind(name) for name in names(question.expression))


def test_every_metric_of_the_catalogue_is_on_a_board() -> None:
    shown = {metric for question in ASKED for name in names(question.expression) for metric in metrics_behind(name)}
    assert shown == {metric.exported_name for metric in (*CATALOGUE, *SERVING)}


def test_no_question_can_be_made_about_a_metric_that_is_not_in_the_catalogue() -> None:
    with pytest.raises(KeyError, match="tokens_per_second"):
        series("tokens_per_second")


@every_question
def test_a_question_is_promql_about_the_chosen_jobs_and_runs(question: Question) -> None:
    chosen: list[set[str]] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            chosen.append({matcher.name for matcher in node.matchers.matchers})

    promql_parser.walk(promql_parser.parse(question.expression), visit)
    assert all("job" in labels for labels in chosen)
    assert any("run_id" in labels for labels in chosen)
    assert "$" not in question.expression


@every_panel
def test_a_panel_says_in_words_what_it_shows_and_from_which_metrics(panel: dict[str, Any]) -> None:
    text, metrics, *_ = panel["description"].split("\n\n")
    assert text.endswith(".")
    asked = {name for target in panel["targets"] for name in names_in(target["expr"])}
    assert set(re.findall(r"`(.+?)`", metrics)) == asked


@every_panel
def test_a_rate_follows_the_chosen_time(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert set(re.findall(r"\[(.+?)]", target["expr"])) <= {"$__rate_interval", "15m"}
        if "rate(" in target["expr"]:
            assert "[$__rate_interval]" in target["expr"]


@every_panel
def test_a_panel_has_a_unit_a_word_for_no_value_and_one_for_what_is_not_a_number(panel: dict[str, Any]) -> None:
    look = panel["fieldConfig"]["defaults"]
    assert look["noValue"] == "no data"
    if panel["type"] != "table":
        assert look["unit"]
    if panel["type"] in ("stat", "timeseries"):
        [mapping] = look["mappings"]
        assert (mapping["options"]["match"], mapping["options"]["result"]["text"]) == ("nan", "not a number")


@every_board
def test_a_board_is_found_by_its_uid_and_its_tag_and_links_to_the_others(board: dict[str, Any]) -> None:
    [name] = [name for name, other in BOARDS.items() if other is board]
    assert (board["uid"], board["tags"]) == (f"lmmtc-{name}", ["lmmtc"])
    [link] = board["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == ("dashboards", ["lmmtc"], True, True)


@every_board
def test_a_board_lets_source_job_and_run_be_chosen(board: dict[str, Any]) -> None:
    source, job, run = board["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    info = "lmmtc_serve_info" if board is BOARDS.get("serving") else "lmmtc_rank_info"
    assert (job["name"], job["query"]) == ("job", f"label_values({info}, job)")
    assert (run["name"], run["query"]) == ("run_id", f'label_values({info}{{job=~"$job"}}, run_id)')
    for asking in (job, run, *panels(board), *board["annotations"]["list"]):
        assert asking["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@every_board
def test_no_two_panels_of_a_board_are_one_or_lie_on_each_other(board: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(place["x"] + x, place["y"] + y) for place in places for x in range(place["w"]) for y in range(place["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def bare(expression: str) -> str:
    """Drop what does not change the meaning of our expressions: the choice of runs, spaces, parentheses."""
    return re.sub(r"\{.*?}|[\s()]", "", expression)


def limits() -> list[tuple[str, str, float]]:
    """List (alert, expression, limit) of all panels that name an alert."""
    found = []
    for panel in PANELS:
        if named := re.search(r"Red is where (\w+) begins", panel["description"]):
            _, red = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            found.append((named[1], panel["targets"][0]["expr"], red["value"]))
    return found


@pytest.mark.parametrize(("alert", "expression", "limit"), limits())
def test_a_panel_is_red_from_where_its_alert_counts(alert: str, expression: str, limit: float) -> None:
    # Grafana colours from the threshold on, so that what an alert counts above needs a threshold that is a little more.
    threshold, limit = limit, round(limit, 5)
    assert threshold > limit
    value, _, whole = expression.partition(" / ")
    times = f"{limit:g} * " if limit != 1 else ""
    wanted = f"{value} > {times}{whole}" if whole else f"{value} > {limit:g}"
    assert bare(wanted) in bare(ALERTS[alert])


def test_every_alert_has_a_panel_that_shows_its_limit() -> None:
    assert {alert for alert, _, _ in limits()} == set(ALERTS) - WITHOUT_A_LIMIT
