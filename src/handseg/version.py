"""The version, for whoever writes down what made a file."""

__version__ = "0.1.0"
