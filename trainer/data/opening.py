"""Open the data set that a configuration names, from a folder or a remote store."""

from sharding import CacheSettings, Dataset

from ..config import DataSection


def open_dataset(settings: DataSection) -> Dataset:
    """Open the data set; DataError, or a ManifestError, when that cannot be."""
    limit = None if settings.cache_gib is None else int(settings.cache_gib * 2**30)
    cache = CacheSettings(settings.cache, limit) if settings.cache else None
    return Dataset.open(settings.dataset, settings.format, cache)
