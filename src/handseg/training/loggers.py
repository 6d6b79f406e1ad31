"""Where a run's figures go beside `curves.csv`: TensorBoard, Weights & Biases, MLflow, through Lightning's loggers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from handseg.errors import MissingExtraError, TrainingError

LOGGERS = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "mlflow": "MLflow"}


def open_loggers(names: Sequence[str], folder: Path) -> list[Logger]:
    """Loggers by name, of LOGGERS; without any name TensorBoard's, where that is installed.

    folder: of the run, whose name theirs has. Raises MissingExtraError where one isn't installed, and TrainingError
    where it can't start, as without an account.
    """
    if not names:
        try:
            return [_tensorboard(folder)]
        except ModuleNotFoundError:
            return []
    return [_open(name, folder) for name in dict.fromkeys(names)]


def _open(name: str, folder: Path) -> Logger:
    try:
        logger = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}[name](folder)
        _ = logger.experiment  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:
        raise MissingExtraError(LOGGERS[name], name) from error
    except Exception as error:  # each raises classes of its own
        said = " ".join(str(error).split())
        remedy = {
            "wandb": "log in with `wandb login`, or set WANDB_MODE=offline",
            "mlflow": "check MLFLOW_TRACKING_URI",
        }.get(name, "check the folder")
        raise TrainingError(f"{LOGGERS[name]} can't start ({said}); {remedy}, or leave out --logger {name}") from error
    return logger


def _tensorboard(folder: Path) -> Logger:
    return TensorBoardLogger(folder, name="", version="tensorboard")


def _wandb(folder: Path) -> Logger:
    return WandbLogger(name=folder.name, save_dir=folder, project=os.environ.get("WANDB_PROJECT", "handseg"))


def _mlflow(folder: Path) -> Logger:
    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    return MLFlowLogger(experiment_name="handseg", run_name=folder.name, tracking_uri=place)
