"""What a panel looks like: lines over time, one number as of now, bars, a table; each says which metrics it shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    StackingMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    Panel,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef("prometheus", "${datasource}")
NO_VALUE = "no data"

_ABOVE = 1e-6  # Grafana colours what reaches a threshold, an alert fires above its limit

_REF_IDS = "ABCD"  # Grafana tells the queries of a panel apart by them
_NAME = re.compile(r"\b(?:\w+:)?lmmtc_\w+(?::\w+)?")
_NOT_A_NUMBER: list[ValueMapping] = [
    SpecialValueMap(
        DashboardSpecialValueMapOptions(
            SpecialValueMatch.NA_N, ValueMappingResult(text="not a number", color="red", index=0)
        )
    )
]

Made = Builder[Panel]


@dataclass(frozen=True)
class Query:
    """One question to Prometheus, and how its series are called in the legend."""

    expression: str
    legend: str = "{{run_id}}"


@dataclass(frozen=True)
class Limit:
    """The value above which an alert of deploy/prometheus/rules.yml begins to count; it is red from there on."""

    value: float
    alert: str


def lines(title: str, text: str, *queries: Query, unit: str = "short", stacked: bool = False) -> Made:
    """Draw series over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(_description(text, queries))
        .datasource(SOURCE)
        .targets([_target(query, _REF_IDS[number]) for number, query in enumerate(queries)])
        .unit(unit)
        .mappings(_NOT_A_NUMBER)
        .no_value(NO_VALUE)
        .show_points(VisibilityMode.AUTO)
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True))
        .height(8)
        .span(8)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)
    return panel


def number(title: str, text: str, query: Query, *, unit: str = "short", limit: Limit | None = None) -> Made:
    """Show one number a run, as of the end of the chosen time."""
    return (
        stat.Panel()
        .title(title)
        .description(_description(text, [query], limit))
        .datasource(SOURCE)
        .targets([_target(query).instant()])
        .unit(unit)
        .mappings(_NOT_A_NUMBER)
        .no_value(NO_VALUE)
        .thresholds(_thresholds(limit))
        .color_mode(BigValueColorMode.BACKGROUND if limit else BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .height(4)
        .span(4)
    )


def bars(title: str, text: str, query: Query, *, unit: str) -> Made:
    """Show a bar for each series, as of the end of the chosen time."""
    return (
        bargauge.Panel()
        .title(title)
        .description(_description(text, [query]))
        .datasource(SOURCE)
        .targets([_target(query).instant()])
        .unit(unit)
        .min(0)
        .no_value(NO_VALUE)
        .orientation(VizOrientation.HORIZONTAL)
        .thresholds(_thresholds())
        .height(8)
        .span(8)
    )


def identities(title: str, text: str, query: Query, hidden: list[str]) -> Made:
    """Show the labels of series in a table, as of the end of the chosen time; the hidden ones are left out."""
    columns = {"Time": True, "Value": True, "__name__": True} | dict.fromkeys(hidden, True)
    return (
        table.Panel()
        .title(title)
        .description(_description(text, [query]))
        .datasource(SOURCE)
        .targets([_target(query).instant().format(PromQueryFormat.TABLE)])
        .with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": columns}))
        .no_value(NO_VALUE)
        .show_header(True)
        .height(8)
        .span(8)
    )


def names_in(expression: str) -> list[str]:
    """Name the metrics of an expression, recorded ones among them, without repetition."""
    return list(dict.fromkeys(_NAME.findall(expression)))


def _description(text: str, queries: Sequence[Query], limit: Limit | None = None) -> str:
    names = dict.fromkeys(name for query in queries for name in names_in(query.expression))
    warned = f"\n\nRed is where {limit.alert} begins to count." if limit else ""
    return f"{text}\n\nMetrics: {', '.join(f'`{name}`' for name in names)}{warned}"


def _target(query: Query, ref_id: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref_id).expr(query.expression).legend_format(query.legend)


def _thresholds(limit: Limit | None = None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, "green"), *([Threshold(round(limit.value + _ABOVE, 6), "red")] if limit else [])]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
