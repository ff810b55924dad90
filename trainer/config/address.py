"""What a setting may say where it names a place in a bucket."""

import re


def bucket_address(key: str, value: str) -> str:
    """Refuse what is no address in a bucket, and do not repeat it: it may hold a password."""
    if not re.fullmatch(r"s3://[^/@?#\s]+(/[^@?#\s]*)?", value):
        raise ValueError(
            f"{key}: must be s3://bucket/prefix and nothing else: credentials belong in the environment or in ~/.aws"
        )
    return value
