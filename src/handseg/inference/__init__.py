"""Inference: how masks are made. The card, the way in and out of a network, its engines, the Segmenter."""
