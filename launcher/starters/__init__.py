"""What each way of starting leaves in the environment, and the place of a process that follows from it."""

from .place import ON_NODE as ON_NODE
from .place import PLACE as PLACE
from .place import Node as Node
from .place import Placement as Placement
from .place import count as count
from .pods import POD_MARK as POD_MARK
from .pods import RANKS_PER_POD as RANKS_PER_POD
from .pods import pod_node as pod_node
from .pods import pod_place as pod_place
from .rank_by_rank import by_hand_node as by_hand_node
from .rank_by_rank import rank_place as rank_place
from .slurm import SLURM_MARK as SLURM_MARK
from .slurm import slurm_node as slurm_node
from .slurm import slurm_place as slurm_place
