"""Inference with a trained run: prediction, late fusion of channels and its tuning on dev, export and new labels."""

from .evaluate import Evaluation as Evaluation
from .evaluate import evaluate as evaluate
from .evaluate import recall_at as recall_at
from .fused import DEEP as DEEP
from .fused import FusedRanker as FusedRanker
from .loading import TrainedModel as TrainedModel
from .predict import Prediction as Prediction
from .predict import predict as predict
from .tuned import answering as answering
from .tuned import count_duplicates as count_duplicates
from .tuned import load_index as load_index
from .tuner import SplitChannels as SplitChannels
from .tuner import Tuner as Tuner
from .tuner import ask_channels as ask_channels
from .tuning import Tuning as Tuning
