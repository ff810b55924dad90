"""Rank and world size of this process, and which machine this is, from what a starter leaves in the environment."""

from .accelerator import choose_accelerator as choose_accelerator
from .accelerator import ranks_here as ranks_here
from .environment import ALONE as ALONE
from .environment import node as node
from .environment import placement as placement
from .world import Node as Node
from .world import Placement as Placement
