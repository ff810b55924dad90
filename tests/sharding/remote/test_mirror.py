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


def test_a_pass_over_all_shards_needs_no_more_of_the_cache_than_two_of_them(dataset: Dataset, tmp_path: Path) -> None:
    limit = 2 * max(shard.files["arrow"].bytes for shard in dataset.manifest.splits["train"])
    remote = Dataset.open(dataset.path.as_uri(), cache=CacheSettings(tmp_path / "cache", limit))
    for _ in range(2):
        assert sum(rows.num_rows for _, rows in remote.split("train").shards(("labels",))) == 97
