"""Evaluation: a Segmenter against labels; every engine is scored by the same code."""

from handseg.evaluation.evaluate import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
