"""Decides what the measurements are boiled down to, and which of it is promised."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

# By figure: the contender that is meant, and the one that it is divided by.
RATIOS = {
    "vs_litdata": ("ours", "litdata"),
    "vs_mosaicml": ("ours", "mosaicml"),
    "vs_webdataset": ("ours", "webdataset"),
    "vs_hf_datasets": ("ours", "hf_datasets"),
    "tar_vs_webdataset": ("ours_tar", "webdataset"),
    "fraction_of_in_order_mmap": ("ours", "in_order"),
}
AT_LEAST = {"vs_litdata": 4, "vs_mosaicml": 20, "vs_webdataset": 20, "vs_hf_datasets": 10, "tar_vs_webdataset": 5}
AT_MOST = {"resume_ms_1e9": 50}


@dataclass(frozen=True)
class Speed:
    """Of one pass: records a second by the clock, which decides, and of CPU."""

    records_per_s: float
    records_per_cpu_s: float


def ratios(speeds: Mapping[str, Sequence[Speed]], missing: Sequence[str]) -> dict[str, float | None]:
    """Divide medians by the clock where both sides were asked for; None where one of them is missing."""
    middles: dict[str, float | None] = {name: _middle(values) for name, values in speeds.items()}
    middles |= dict.fromkeys(missing)
    found = {"records_per_s": middles["ours"]} if "ours" in middles else {}
    for figure, (meant, other) in RATIOS.items():
        if meant in middles and other in middles:
            above, below = middles[meant], middles[other]
            found[figure] = above / below if above and below else None
    return found


def table(speeds: Mapping[str, Sequence[Speed]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, the fastest first."""
    yield "| | records/s, median | from | to | records/s of CPU, median |"
    yield "| --- | --- | --- | --- | --- |"
    for name, values in sorted(speeds.items(), key=lambda item: -_middle(item[1])):
        clock = [speed.records_per_s for speed in values]
        cpu = median(speed.records_per_cpu_s for speed in values)
        yield f"| {name} | {_middle(values):,.0f} | {min(clock):,.0f} | {max(clock):,.0f} | {cpu:,.0f} |"


def verdicts(figures: Mapping[str, float | None]) -> Iterator[tuple[str, str]]:
    """Yield (PASS, FAIL or MISSING, why) for each promise about a figure that was asked for."""
    for figure, value in figures.items():
        least, most = AT_LEAST.get(figure), AT_MOST.get(figure)
        rule = f"at least {least}" if least else f"at most {most}"
        if value is None:
            yield "MISSING", f"{figure}: must be {rule}" if least or most else figure
        elif least or most:
            holds = value >= least if least else value <= (most or 0)
            yield "PASS" if holds else "FAIL", f"{figure} = {value:,.3g}: must be {rule}"


def _middle(values: Sequence[Speed]) -> float:
    return median(speed.records_per_s for speed in values)
