"""What handseg raises: one base class; each message says what is wrong, with which file, and what to do."""

from __future__ import annotations


class HandsegError(Exception):
    """Base of every error that handseg raises on purpose. The command line prints it as one line."""


class ImageError(HandsegError):
    """An image can't be read, decoded or used."""


class VideoError(HandsegError):
    """A video or camera can't be opened, decoded or written."""


class DamagedVideoError(VideoError):
    """A video ends early or can't be decoded further; the frames before that were good."""


class DataError(HandsegError):
    """A dataset, a label or an index is missing or inconsistent."""


class AnnotationError(DataError, ValueError):
    """An annotation in another tool's format is malformed, or of a kind that holds no outline."""


class ModelError(HandsegError):
    """A model is unknown, can't be loaded, or carries no valid card."""


class TrainingError(HandsegError):
    """Training can't start, or was stopped because going on would be useless."""


class MissingExtraError(HandsegError):
    """An optional dependency isn't installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more packages: pip install 'handseg[{extra}]'")
        self._made_of = what, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """A process that it is raised in can pass it on."""
        return type(self), self._made_of
