"""What all boards have in common: the choice of source, jobs and runs, links from one to another, alerts as marks."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableRefresh,
    VariableSort,
)

from .panels import SOURCE, Made
from .queries import NAMES

TAG = "lmmtc"


def board(name: str, title: str, text: str, rows: Mapping[str, Sequence[Made]], info: str = "rank_info") -> Dashboard:
    """Lay out rows of panels; `name` makes the uid, by which links and bookmarks find the board.

    Runs to choose from are those that the metric `info` names.
    """
    made = (
        dashboard.Dashboard(title)
        .uid(f"{TAG}-{name}")
        .description(text)
        .tags([TAG])
        .link(_links())
        .annotation(_alerts())
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .readonly()
        .variables([_source(), _choice("job", "Job", "", info), _choice("run_id", "Run", '{job=~"$job"}', info)])
    )
    for row, panels in rows.items():
        made.with_row(dashboard.Row(row))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return built


def _source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")


def _choice(label: str, title: str, matchers: str, info: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(label)
        .label(title)
        .datasource(SOURCE)
        .query(f"label_values({NAMES[info]}{matchers}, {label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _links() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(TAG).type(DashboardLinkType.DASHBOARDS).tags([TAG]).include_vars(True).keep_time(True)
    )


def _alerts() -> dashboard.AnnotationQuery:
    firing = 'ALERTS{alertname=~"Lmmtc.*", alertstate="firing", job=~"$job", run_id=~"$run_id"}'
    return dashboard.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color("red").expr(firing)
