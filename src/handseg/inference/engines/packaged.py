"""The models that come with handseg, by name; and opening a model again elsewhere, as pickling does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from handseg.errors import ModelError

T = TypeVar("T")


def packaged_models() -> list[str]:
    """Names of the models that come with handseg.

    Raises ModelError when they aren't there.
    """
    if not (names := list(_packaged())):
        raise ModelError(
            "the models that come with handseg are missing; install it anew, or, where PyInstaller put it into a "
            "program, build that with: --collect-data handseg"
        )
    return names


def find_model(model: str | Path) -> Path:
    """The file of a packaged model's name, or the path itself.

    Raises ModelError when it is neither.
    """
    if packaged := _packaged().get(str(model)):
        return packaged
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"{model}: neither a file nor a packaged model; packaged are: {', '.join(packaged_models())}")
    return path


def reopening(open_model: Callable[..., T], path: str, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """For an engine's `__reduce__`: no session can be pickled, but its model can be opened again where it arrives.

    A packaged model goes by its name, wherever handseg is installed there; another one by its path.
    """
    name = next((name for name, packaged in _packaged().items() if str(packaged) == path), path)
    return _reopen, (open_model, name, dict(settings))


def _reopen(open_model: Callable[..., T], model: str, settings: dict[str, Any]) -> T:
    return open_model(find_model(model), **settings)


def _packaged() -> dict[str, Path]:
    """Files by the models' names; none where the folder is missing."""
    folder = Path(str(files("handseg"))) / "weights"
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}
