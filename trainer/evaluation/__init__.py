"""How good predictions are: ranking metrics as additive sums, F1 and subset accuracy at one threshold, and the tail."""

from .answers import Answers as Answers
from .answers import ask as ask
from .channels import CHANNELS as CHANNELS
from .channels import Channels as Channels
from .evaluator import Evaluator as Evaluator
from .evaluator import Ranked as Ranked
from .evaluator import Ranker as Ranker
from .fusion import ChannelWeights as ChannelWeights
from .fusion import Fusion as Fusion
from .fusion_fit import FusionFit as FusionFit
from .fusion_fit import fit_fusion as fit_fusion
from .judgement import Judge as Judge
from .judgement import Tally as Tally
from .judgement import Verdict as Verdict
from .label_counts import LabelCounts as LabelCounts
from .ranking import KS as KS
from .ranking import RankingSums as RankingSums
from .ranking import candidate_hits as candidate_hits
from .ranking import inverse_propensity as inverse_propensity
from .ranking import ranking_sums as ranking_sums
from .refinement import mask_predict as mask_predict
from .tail import BANDS as BANDS
from .tail import Band as Band
from .tail import BandRecall as BandRecall
from .tail import by_band as by_band
from .thresholds import best_threshold as best_threshold
