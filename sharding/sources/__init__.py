"""Sources of records: readers of corpora in the formats that are supported."""

from .jsonl import read_records as read_records
from .lines import read_lines as read_lines
from .lines import read_pairs as read_pairs
from .opening import KINDS as KINDS
from .opening import open_source as open_source
from .source import Piece as Piece
from .source import Source as Source
from .source import SourceSettings as SourceSettings
