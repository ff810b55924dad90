"""Where raw corpora come from."""

from .jsonl import read_records as read_records
from .lines import read_lines as read_lines
from .lines import read_pairs as read_pairs
