"""One record as bytes."""

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import CorruptShardError, unpack
from sharding.formats import pack
from tests.sharding.formats.rows import FEW, RECORDS, WIDTHS, batch


@given(RECORDS, st.sampled_from(sorted(WIDTHS)))
def test_what_is_packed_is_unpacked(records: list[dict[str, Any]], bits: int) -> None:
    unpacked = [unpack(member) for member in pack(batch(records, bits))]
    plain = [{key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in record.items()} for record in unpacked]
    assert plain == records
    assert {record["tokens"].dtype.itemsize * 8 for record in unpacked} == {bits}
    assert {record["labels"].dtype for record in unpacked} == {np.dtype("uint32")}


def test_a_member_is_what_the_format_says_to_the_byte() -> None:
    [member] = pack(FEW.slice(0, 1))
    header = b"LMR1" + struct.pack("<5I", 2, 1, 3, 1, 3)
    assert member == header + struct.pack("<I", 7) + struct.pack("<3H", 5, 6, 7) + b"a" + b"one"


def test_rows_in_the_middle_of_a_batch_are_packed_alone() -> None:
    assert list(pack(FEW.slice(1))) == list(pack(FEW))[1:]


def changed(place: int, letters: bytes) -> bytes:
    [member] = pack(FEW.slice(0, 1))
    return member[:place] + letters + member[place + len(letters) :]


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        (b"LMR1", "has 4 bytes: must have 24 for its header alone"),
        (changed(0, b"LMR2"), r"begins with b'LMR2\\x02.*': must begin with b'LMR1', then 2 or 4"),
        (changed(4, b"\x03"), r"begins with b'LMR1\\x03.*': must begin with b'LMR1', then 2 or 4"),
        (changed(8, b"\xff\xff\xff\xff"), "has 38 bytes: its header says 17179869214"),
        (changed(0, b"")[:-1], "has 37 bytes: its header says 38"),
        (changed(35, b"\xff"), "its id or text is not UTF-8: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_bytes_that_are_no_member_are_refused(member: bytes, complaint: str) -> None:
    with pytest.raises(CorruptShardError, match=f"packed record: {complaint}"):
        unpack(member)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_record_or_refused(noise: bytes) -> None:
    for member in (noise, b"LMR1\2\0\0\0" + noise):
        with suppress(CorruptShardError):
            assert set(unpack(member)) == {"id", "text", "labels", "tokens"}
