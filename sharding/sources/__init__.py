"""Sources of records: readers of corpora in the formats that are supported."""

from .files import suffix_of as suffix_of
from .lines import opened as opened
from .lines import read_lines as read_lines
from .lines import read_pairs as read_pairs
from .opening import KINDS as KINDS
from .opening import open_source as open_source
from .reading import read_records as read_records
from .source import Piece as Piece
from .source import Source as Source
from .source import SourceSettings as SourceSettings
