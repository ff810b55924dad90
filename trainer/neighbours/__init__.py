"""The neighbour index: labels of the nearest training records (kNN) vote beside the model's own scores."""

from .build import build_index as build_index
from .change import Change as Change
from .change import add_records as add_records
from .change import remove_records as remove_records
from .encoding import fingerprint as fingerprint
from .folder import IndexFolder as IndexFolder
from .index import NeighbourIndex as NeighbourIndex
from .meta import IndexMeta as IndexMeta
from .vote import Neighbours as Neighbours
from .vote import VoteRule as VoteRule
from .vote import Votes as Votes
