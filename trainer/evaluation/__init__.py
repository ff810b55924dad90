"""How good predictions are: ranking metrics as additive sums, and F1 and subset accuracy at one threshold."""

from .evaluator import Evaluator as Evaluator
from .evaluator import Ranked as Ranked
from .evaluator import Ranker as Ranker
from .judgement import Answers as Answers
from .judgement import collect as collect
from .judgement import judge as judge
from .ranking import RankingSums as RankingSums
from .ranking import candidate_hits as candidate_hits
from .ranking import inverse_propensity as inverse_propensity
from .ranking import ranking_sums as ranking_sums
from .refinement import mask_predict as mask_predict
from .thresholds import F1 as F1
from .thresholds import best_threshold as best_threshold
from .thresholds import f1_at as f1_at
from .thresholds import subset_accuracy as subset_accuracy
