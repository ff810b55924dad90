"""How a panel asks Prometheus: names come from the catalogue, series are those of the chosen runs, sums are by run.

Only `lmmtc_rank_info` bears the name of a run, so every metric is joined with it on (job, instance): one instance is
one rank. Whatever a board shows is by (job, namespace, run_id), as in deploy/prometheus/rules.yml.
"""

from trainer.telemetry import CATALOGUE, SERVING

NAMES = {metric.name: metric.exported_name for metric in (*CATALOGUE, *SERVING)}

_RUN = "job, namespace, run_id"
_SERVED = f'{NAMES["serve_info"]}{{job=~"$job", run_id=~"$run_id"}}'
_INFO = f'{NAMES["rank_info"]}{{job=~"$job", run_id=~"$run_id"}}'


def series(name: str, suffix: str = "", **labels: str) -> str:
    """Select a metric of the catalogue, named without prefix, in the chosen jobs; KeyError for another name."""
    matchers = ['job=~"$job"', *(f'{label}="{value}"' for label, value in labels.items())]
    return f"{NAMES[name]}{suffix}{{{', '.join(matchers)}}}"


def reported(name: str) -> str:
    """Select a gauge that is 0 until it is first set; what is not a number differs from 0, too."""
    return f"({series(name)} != 0)"


def rate(name: str, suffix: str = "", **labels: str) -> str:
    """Say how fast a counter rises, a second."""
    return f"rate({series(name, suffix, **labels)}[$__rate_interval])"


def of_ranks(expression: str) -> str:
    """Keep the chosen runs of an expression that has (job, instance), and give each series `run_id` and `rank`."""
    return f"{expression} * on (job, instance) group_left (run_id, rank) {_INFO}"


def summed(expression: str, *kept: str) -> str:
    """Add up ranks; further labels may be kept."""
    return _by_run("sum", expression, kept)


def highest(expression: str, *kept: str) -> str:
    """Take the highest of all ranks, or what only the first one exports."""
    return _by_run("max", expression, kept)


def lowest(expression: str, *kept: str) -> str:
    """Take the lowest of all ranks."""
    return _by_run("min", expression, kept)


def recorded(name: str) -> str:
    """Select what a rule of deploy/prometheus/rules.yml records of the chosen runs."""
    return f'{name}{{job=~"$job", run_id=~"$run_id"}}'


def ranks() -> str:
    """Select the ranks of the chosen runs themselves."""
    return _INFO


def quantile(share: float, name: str) -> str:
    """Estimate a quantile of a histogram over the ranks of a run."""
    return f"histogram_quantile({share}, {summed(rate(name, '_bucket'), 'le')})"


def of_servers(aggregate: str, expression: str, *kept: str) -> str:
    """Aggregate the servers of the chosen runs; further labels may be kept."""
    joined = f"{expression} * on (job, instance) group_left (run_id) {_SERVED}"
    return f"{aggregate} by ({', '.join((_RUN, *kept))}) ({joined})"


def quantile_of_servers(share: float, name: str) -> str:
    """Estimate a quantile of a histogram over the servers of a run."""
    return f"histogram_quantile({share}, {of_servers('sum', rate(name, '_bucket'), 'le')})"


def servers() -> str:
    """Select the servers of the chosen runs themselves."""
    return _SERVED


def _by_run(aggregate: str, expression: str, kept: tuple[str, ...]) -> str:
    return f"{aggregate} by ({', '.join((_RUN, *kept))}) ({of_ranks(expression)})"
