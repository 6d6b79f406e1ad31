"""Evaluation: a Segmenter against labels; every engine is scored by the same code."""

from handseg.evaluation.evaluate import Evaluation, evaluate
from handseg.evaluation.run import Scored, evaluate_data

__all__ = ["Evaluation", "Scored", "evaluate", "evaluate_data"]
