"""A training run, from data folders to a checkpoint."""

from __future__ import annotations

import logging
import platform
import signal
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch.utils.data import DataLoader

from handseg.data.loading import (
    Batch,
    DrawSampler,
    Memory,
    TrainingData,
    ValidationData,
    collate,
    session_weights,
)
from handseg.data.sample import Sample
from handseg.data.verify import verify
from handseg.errors import TrainingError
from handseg.image import write_atomically
from handseg.segmenter import Segmenter
from handseg.training.callbacks import Curves, Guard, moving_average
from handseg.training.lock import alone_in, first_process
from handseg.training.manifest import Origin, describe, read_manifest, write_manifest
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe
from handseg.training.resume import Standing, check_same, tell, tell_schedule
from handseg.training.saving import RunCheckpoint, WholeCheckpoints, remove_drafts
from handseg.training.start import Start, start_from

# Lightning's, about what is meant to be so here; and one about torch's internals.
KNOWN_WARNINGS = (
    ".*Checkpoint directory .* exists and is not empty",
    ".*does not have many workers",
    ".*number of training batches .* is smaller than the logging interval",
    ".*LeafSpec.* is deprecated",
    ".*in eval mode at the start of training",  # the encoder's statistics, or all but the part that is trained
)
SPLIT_FILE = "split.json"
MIXTURE_FILE = "mixture.toml"
CHECK_FILE = "check_images.txt"  # the validation images that `handseg export` compares on
CHECK_IMAGES = 20
MEASURED_BATCHES = 10  # on which the batch normalisation of an exported model is measured


@dataclass(frozen=True)
class FitOptions:
    """seed: of the weights, the order and the augmentation. devices, nodes: for DDP; 0 devices takes all GPUs, or one
    CPU process. accelerator: cpu, gpu, or auto. threads: of torch; 0 leaves it. workers: data loading processes."""

    seed: int = 0
    accelerator: str = "auto"
    devices: int = 0
    nodes: int = 1
    threads: int = 0
    workers: int = 0
    progress: bool = True


def fit(
    recipe: Recipe,
    train: Sequence[Sample],
    val: Sequence[Sample],
    folder: Path,
    options: FitOptions = FitOptions(),
    *,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    teacher: Segmenter | None = None,
    shares: Mapping[str, float] = {},
    held_out: Collection[str] = (),
    origin: Origin | None = None,
) -> Path:
    """Train; returns the resulting checkpoint.

    folder: gets `run.json`, `last.ckpt`, `best.ckpt`, `curves.csv`, `curves.png`, and the loggers' files.
    resume: continue exactly where `last.ckpt` in `folder` stands; from the start, where no epoch was whole. What
    differs from the run's `run.json` is an error. force: go on all the same. origin: what `run.json` tells besides.
    init: a checkpoint, or a packaged or exported model, to start from; its network or encoder must be the recipe's.
    teacher: finds the wrist in hand+forearm labels (None: their shape does), and is imitated if the recipe says so.
    shares: of the draws, of each source of a mixture. held_out: sessions to be tested on; a warning says which of them
    `init` or `teacher` has learned from.
    Raises TrainingError when the run can't start or was stopped because it was useless, DataError for bad data.
    """
    origin = origin or Origin()
    last = folder / "last.ckpt"
    before = read_manifest(folder) if resume else None
    if resume and before is None and not last.is_file():
        raise TrainingError(f"{last}: nothing to resume; start the run without --resume")
    if not resume and last.is_file():
        raise TrainingError(f"{folder}: holds a run already; add --resume, or choose another folder")
    if any(s.unlabelled for s in train) and not (teacher is not None and recipe.loss.distil):
        raise TrainingError(
            "images without labels teach only by a teacher that is imitated: "
            "name one with --teacher, and a recipe with `distil` in its [loss] table, as nano"
        )
    standing = Standing.read(last) if resume and last.is_file() else None
    manifest = describe(
        recipe.to_dict(),
        {"train": train, "val": val},
        origin,
        _machine(recipe, options),
        seed=options.seed,
        shares=shares,
        init=init,
        teacher=None if teacher is None else teacher.engine.model,
    )
    if resume:
        check_same(folder, before, manifest, standing, force)
        begun = (before or {}).get("init")
        if init is None and standing is None and begun:
            raise TrainingError(
                f"{folder}: its first epoch isn't whole and began from --init {begun['source']}; name it"
            )
        manifest["init"] = manifest["init"] or begun
    if standing is not None and (reason := standing.finished(recipe)):
        tell(f"{folder}: nothing left to train: {reason}")
        return folder / f"{recipe.run.select}.ckpt"
    verify([*train, *val])
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        if first_process():
            remove_drafts(folder)
            write_manifest(folder, manifest, before)
            if origin.split is not None:
                origin.split.save(folder / SPLIT_FILE)
            if text := origin.mixture.encode():
                write_atomically(folder / MIXTURE_FILE, lambda file: file.write(text))
        return _fit(recipe, train, val, folder, options, standing, init, teacher, shares, held_out)


def _fit(
    recipe: Recipe,
    train: Sequence[Sample],
    val: Sequence[Sample],
    folder: Path,
    options: FitOptions,
    standing: Standing | None,
    init: str | Path | None,
    teacher: Segmenter | None,
    shares: Mapping[str, float],
    held_out: Collection[str],
) -> Path:
    last = folder / "last.ckpt" if standing is not None else None
    start = Start.read(init) if init is not None and standing is None else None  # before the images: they take a while
    sessions = labelled_sessions(train)
    if standing is not None:
        sessions |= {*standing.module.sessions}
    for source, learned in ((init, start and start.sessions), ("the teacher", teacher and teacher.card.sessions)):
        if leaked := {*(learned or ())} & {*held_out}:
            print(f"{source} has learned from the test side ({', '.join(sorted(leaked))}): a leak", file=sys.stderr)
        sessions |= {*(learned or ())}
    paths = [str(sample.image.resolve()) for sample in val[:CHECK_IMAGES]]
    (folder / CHECK_FILE).write_text("\n".join(paths) + "\n", encoding="utf-8")
    if options.threads:
        torch.set_num_threads(options.threads)
    pl.seed_everything(options.seed, verbose=False)

    trainer = _trainer(recipe, folder, options)
    card = recipe.card(recipe.build_network(pretrained=False).stride, training=True)
    long_side = recipe.input.long_side
    weights = drawing_weights(train, recipe.run.session_power, shares)
    see = None if teacher is None else (lambda image: teacher(image).probability)
    training = TrainingData(Memory(train, long_side, see), card, recipe.augment, options.seed, weights)
    run_card = recipe.card(card.stride, training=False)
    validation = ValidationData(Memory(val, long_side), run_card)
    sampler = DrawSampler(
        len(train),
        options.seed,
        draws=recipe.run.draws,
        weights=weights,
        rank=trainer.global_rank,
        replicas=trainer.world_size,
        epoch=standing.epochs if standing is not None else 0,
    )
    loader: DataLoader[Batch] = DataLoader(
        training,
        recipe.run.batch_size,
        sampler=sampler,
        collate_fn=collate,
        drop_last=len(sampler) >= recipe.run.batch_size,  # batch norm wants full batches
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    module = HandModule(
        recipe.to_dict(),
        recipe.run.epochs * len(loader),
        pretrained=False if last or init else None,
        sessions=sorted(sessions),
        # A function, since the averaged weights' copy of the module shares it, where an engine can't be copied.
        teacher=None if teacher is None else (lambda batch: teacher.engine.run(batch)[:, : len(teacher.card.policies)]),
    )
    if standing is not None:
        standing.check_state(module)
        tell_schedule(standing, module)
    if start is not None:
        taken = start_from(module, start, (batch["image"] for batch in islice(loader, MEASURED_BATCHES)))
        print(f"starting from the {taken} of {init}", file=sys.stderr)
    if trainer.is_global_zero:
        device, processes = trainer.strategy.root_device, trainer.world_size
        print(f"training on {device}, {processes} processes, precision {trainer.precision}", file=sys.stderr)
    with warnings.catch_warnings():
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message)
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(
                module,
                loader,
                DataLoader(validation, 4, collate_fn=collate),
                ckpt_path=last,
                weights_only=None if last is None else True,
            )
        except SystemExit as error:  # what Lightning makes of SIGTERM and of Ctrl-C, with that signal switched off
            signal.signal(signal.SIGINT, handler)
            whole = (
                "its last whole epoch" if (folder / "last.ckpt").is_file() else "the start, no epoch being whole yet,"
            )
            raise TrainingError(f"{folder}: interrupted; go on from {whole} with --resume") from error
    return folder / f"{recipe.run.select}.ckpt"


def _trainer(recipe: Recipe, folder: Path, options: FitOptions) -> pl.Trainer:
    run = recipe.run
    gpu, devices = _devices(options)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    callbacks: list[pl.Callback] = [
        Guard(),
        Curves(folder),
        # The best first, so that the last knows of it.
        RunCheckpoint(folder, "best", monitor="val_loss", enable_version_counter=False),
        RunCheckpoint(
            folder,
            "last",
            save_last=False,
            every_n_epochs=1,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        ),
    ]
    if options.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=5))
    if run.ema:
        callbacks.append(WeightAveraging(avg_fn=partial(moving_average, run.ema)))
    if run.early_stopping:
        callbacks.append(EarlyStopping("val_loss", patience=run.early_stopping))
    try:
        logger: Logger | bool = TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError:
        logger = False  # TensorBoard is optional; the curves are written anyway
    return pl.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=devices,
        num_nodes=options.nodes,
        strategy="ddp" if devices * options.nodes > 1 else "auto",
        precision=_precision(run.precision, gpu),
        max_epochs=run.epochs,
        check_val_every_n_epoch=run.validate_every,
        num_sanity_val_steps=0,
        gradient_clip_val=recipe.optimizer.clip or None,
        use_distributed_sampler=False,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=logger,
        log_every_n_steps=10,
        enable_progress_bar=options.progress,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _devices(options: FitOptions) -> tuple[bool, int]:
    """Whether on GPUs, and how many devices on a machine."""
    gpu = options.accelerator != "cpu" and torch.cuda.is_available()
    return gpu, options.devices or (torch.cuda.device_count() if gpu else 1)


def _machine(recipe: Recipe, options: FitOptions) -> dict[str, Any]:
    gpu, devices = _devices(options)
    return {
        "device": "gpu" if gpu else "cpu",
        "processes": devices * options.nodes,
        "precision": _precision(recipe.run.precision, gpu),
        "workers": options.workers,
        "threads": options.threads,
        "hardware": torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine(),
    }


def _precision(wanted: str, gpu: bool) -> Any:
    if wanted == "auto":
        if gpu:
            wanted = "bf16" if torch.cuda.is_bf16_supported() else "16"
        else:
            wanted = "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32"
    return {"bf16": "bf16-mixed", "16": "16-mixed", "32": "32-true"}[wanted]


def labelled_sessions(samples: Sequence[Sample]) -> set[str]:
    """Of labelled datasets, those trained on beside the main data too; photos without labels or hands have none."""
    return {s.session for s in samples if not (s.background or s.unlabelled)}


def drawing_weights(samples: Sequence[Sample], power: float, shares: Mapping[str, float]) -> np.ndarray | None:
    """Drawing weights: of the sessions by their power, of a mixture's sources by their shares; None for a plain
    permutation."""
    if power == 1 and not shares:
        return None
    weights = session_weights(samples, power)
    for source, share in shares.items():
        members = np.array([s.source == source for s in samples])
        weights[members] *= share / weights[members].sum()
    return weights
