"""What of a remote data set is fetched at once; the store is a folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sharding import CacheSettings, Dataset


def test_data_sets_that_are_opened_at_once_with_one_cache_are_not_taken_for_each_other(
    dataset: Dataset, texts: Dataset, tmp_path: Path
) -> None:
    both = (dataset, texts)
    with ThreadPoolExecutor(2) as threads:
        for attempt in range(20):
            cache = CacheSettings(tmp_path / f"cache-{attempt}")
            opened = threads.map(Dataset.open, [each.path.as_uri() for each in both], [None] * 2, [cache] * 2)
            assert [each.manifest for each in opened] == [each.manifest for each in both]
            assert len(list((cache.folder / "datasets").iterdir())) == 2
