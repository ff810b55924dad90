"""Advice on settings that make a run fit, and the largest micro-batch and chunk."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import Config, check_config
from ..errors import ConfigError
from .plan import Plan

Settings = Mapping[str, Any]
_LEAST_CHUNK = 256


@dataclass(frozen=True)
class Advice:
    """Settings by key, `section.key`, or nodes of the cluster, and the plan that they lead to."""

    settings: Settings
    plan: Plan


def advise(plan: Plan) -> tuple[Advice, ...]:
    """List single changes that make a plan fit; where none does, the first that do so together; of none, nothing."""
    single = tuple(Advice(change, changed) for change, changed in _tried(plan, _changes(plan)) if changed.fits)
    return single or _together(plan)


def largest_micro_batch(plan: Plan) -> int | None:
    """Find the most records of a rank at a time that fit, of those that its share of a step can be cut into."""
    share = plan.work.config.train.global_batch // plan.work.world_size
    sizes = ({"train.micro_batch": size} for size in range(share, 0, -1) if share % size == 0)
    fitting = (change["train.micro_batch"] for change, changed in _tried(plan, sizes) if changed.fits)
    return next(fitting, None)


def largest_chunk(plan: Plan) -> int | None:
    """Find the most rows that may be scored at a time: all of this rank's, at most. None: not even one, or no scan."""
    if not plan.work.scans:
        return None

    def too_large(size: int) -> bool:
        return not changed(plan, {"labels.chunk": size}).fits

    return bisect_right(range(1, plan.work.rows + 1), False, key=too_large) or None  # a value to find


def with_settings(config: Config, settings: Settings) -> Config:
    """Set some keys, `section.key`; ConfigError where they do not go together."""
    tree = config.model_dump(mode="json", exclude_unset=True)
    for key, value in settings.items():
        section, name = key.split(".")
        tree.setdefault(section, {})[name] = value
    return check_config(tree, "a plan")


def changed(plan: Plan, settings: Settings) -> Plan:
    """Plan the same run with other settings, or on other `nodes`; ConfigError where they do not go together."""
    nodes = {key.removeprefix("nodes."): value for key, value in settings.items() if key.startswith("nodes.")}
    rest = {key: value for key, value in settings.items() if not key.startswith("nodes.")}
    cluster = plan.cluster.model_copy(update={"nodes": plan.cluster.nodes.model_copy(update=nodes)})
    return Plan.of(with_settings(plan.work.config, rest), plan.work.shape, plan.work.corpus, cluster)


def _tried(plan: Plan, changes: Iterator[Settings]) -> Iterator[tuple[Settings, Plan]]:
    for change in changes:
        try:
            yield change, changed(plan, change)
        except ConfigError:
            continue


def _changes(plan: Plan) -> Iterator[Settings]:
    """Name what can be changed, first what costs least; of sizes, the largest that fits."""
    config = plan.work.config
    if plan.work.scans and (chunk := largest_chunk(plan) or 0) >= _LEAST_CHUNK:
        yield {"labels.chunk": chunk}
    if micro_batch := largest_micro_batch(plan):
        yield {"train.micro_batch": micro_batch}
    for stage in range(max(config.train.zero_stage, 0) + 1, 4):
        yield {"train.zero_stage": stage}
    if config.labels.optimizer == "adam":
        yield {"labels.optimizer": "rowwise_adagrad"}
    if config.labels.precision == "fp32":
        yield {"labels.precision": "bf16"}
    if plan.cluster.has_gpus and config.labels.placement == "device":
        yield {"labels.placement": "host"}
    if plan.cluster.has_gpus and config.train.precision == "fp32":
        yield {"train.precision": "bf16"}
    if config.checkpoint.background:
        yield {"checkpoint.background": False}
    yield from ({"nodes.count": plan.cluster.nodes.count * times} for times in (2, 4, 8))


def _together(plan: Plan) -> tuple[Advice, ...]:
    """Make one change after another until the plan fits, then take back those that it does not need."""
    sizes: tuple[Settings, ...] = ({"cloze.chunk": 16}, {"train.micro_batch": 1}, {"labels.chunk": _LEAST_CHUNK})
    settings: dict[str, Any] = {}
    for step in (*_changes(plan), *sizes):
        for change, tried in _tried(plan, iter([settings | dict(step)])):
            settings = dict(change)
            if tried.fits:
                return (_pruned(plan, settings),)
    return ()


def _pruned(plan: Plan, settings: Settings) -> Advice:
    """Leave out, one by one, the settings without which the plan fits as well; the last ones are kept longest."""
    kept = dict(settings)
    for key in settings:
        fewer = {name: value for name, value in kept.items() if name != key}
        if any(tried.fits for _, tried in _tried(plan, iter([fewer]))):
            kept = fewer
    return Advice(kept, changed(plan, kept))
