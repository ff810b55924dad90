"""`lmmtc upload`: into a folder here, in a bucket in tests/sharding/remote and tests/e2e."""

from pathlib import Path

from sharding import CacheSettings, Dataset, verify
from tests.launcher.conftest import Lmmtc


def test_a_data_set_is_copied_whole(lmmtc: Lmmtc, tiny_dataset: Path, tmp_path: Path) -> None:
    address = f"file://{tmp_path / 'there'}"
    said = lmmtc("upload", tiny_dataset, address)
    manifest = Dataset.open(tiny_dataset).manifest
    assert (said.code, said.out) == (0, f"{address}: {manifest.dataset_id}\n")
    assert verify(tmp_path / "there").problems == ()
    assert Dataset.open(address, cache=CacheSettings(tmp_path / "cache")).manifest == manifest


def test_an_unknown_kind_of_address_is_refused(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("upload", tiny_dataset, "gopher://host/path")
    assert (said.code, said.err) == (
        78,
        "DataError: store 'gopher://host/path': must be s3://bucket/prefix, file:///folder or a path\n",
    )
