"""A resumed run is the run that it goes on with: the same weights, to the bit, or a word about what differs."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
pytest.importorskip("lightning", reason="lightning isn't installed: handseg[train]")

from click.testing import CliRunner, Result

from handseg.cli import main
from handseg.data import Split, read_dataset
from handseg.data.splits import make_split
from handseg.errors import TrainingError
from handseg.image import load_image, save_png
from handseg.training.callbacks import Guard
from handseg.training.fit import FitOptions, fit
from handseg.training.manifest import fingerprint
from handseg.training.recipe import Recipe
from handseg.training.saving import RunCheckpoint, WholeCheckpoints

TINY = Recipe.from_dict(
    {
        "name": "tiny",
        "network": {"architecture": "UNet", "widths": [4]},
        "input": {"size": [24, 32], "long_side": 48},
        "optimizer": {"lr": 0.02, "warmup": 2},
        "run": {"epochs": 3, "batch_size": 2, "precision": "32", "select": "last"},
        "augment": {"zoom": [0.9, 1.3]},
    }
)
OPTIONS = FitOptions(accelerator="cpu", threads=1, progress=False)


@pytest.fixture
def sides(dataset: Path) -> tuple[list, list]:
    samples = read_dataset(dataset)
    split = make_split(samples, "session-disjoint", folds=3)
    return split.select(samples, "train"), split.select(samples, "val")


def changed(recipe: Recipe, table: str, **values: object) -> Recipe:
    return replace(recipe, **{table: replace(getattr(recipe, table), **values)})


def state(folder: Path) -> dict:
    return torch.load(folder / "last.ckpt", weights_only=True)


def assert_same(one: Path, other: Path) -> None:
    """Bitwise: weights, optimizer, schedule; and the best is the same."""
    first, second = state(one), state(other)
    best, other_best = (torch.load(run / "best.ckpt", weights_only=True) for run in (one, other))
    assert best["epoch"] == other_best["epoch"]
    assert all(torch.equal(best["state_dict"][name], other_best["state_dict"][name]) for name in best["state_dict"])
    for key in ("state_dict", "current_model_state"):
        if key in first:
            assert all(torch.equal(first[key][name], second[key][name]) for name in first[key])
    assert first["global_step"] == second["global_step"]
    assert first["lr_schedulers"] == second["lr_schedulers"]
    groups = [content["optimizer_states"][0]["param_groups"] for content in (first, second)]
    assert groups[0] == groups[1]
    assert (one / "curves.csv").read_text() == (other / "curves.csv").read_text()


def stop(monkeypatch: pytest.MonkeyPatch, epoch: int, act: Callable[[], object]) -> None:
    def hook(self, trainer, pl_module, batch, batch_idx) -> None:
        if (trainer.current_epoch, batch_idx) == (epoch, 0):
            act()

    monkeypatch.setattr(Guard, "on_train_batch_start", hook)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)
    for _ in range(100):  # Python raises at one of the next jumps: here, and not in whatever runs next
        pass


def cut_off(sides, folder: Path, recipe: Recipe, options: FitOptions, epoch: int) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TrainingError, match="interrupted; go on from"):
        stop(patch, epoch, ctrl_c)
        fit(recipe, *sides, folder, options)


WEIGHTED = changed(TINY, "run", draws=9, session_power=0.5, ema=0.5)  # more draws than images
PLATEAU = changed(TINY, "optimizer", schedule="plateau")
CASES = {
    "workers": (WEIGHTED, replace(OPTIONS, workers=2), 2),
    "the first epoch": (TINY, replace(OPTIONS, workers=1), 0),
    "a plateau, validated every other epoch": (changed(PLATEAU, "run", epochs=4, validate_every=2), OPTIONS, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_cut_off_and_resumed_is_the_whole_run(sides, tmp_path: Path, name: str) -> None:
    recipe, options, epoch = CASES[name]
    fit(recipe, *sides, tmp_path / "whole", options)
    cut_off(sides, tmp_path / "halves", recipe, options, epoch)
    assert (tmp_path / "halves" / "last.ckpt").exists() == (epoch > 0)
    torch.manual_seed(99)
    fit(recipe, *sides, tmp_path / "halves", options, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "halves")


def train_as(rank: int, port: int, sides: tuple[list, list], folder: Path) -> None:
    """One of two processes that were started from outside, as torchrun does."""
    os.environ.update(LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    options = replace(OPTIONS, devices=2, workers=1)
    recipe = changed(TINY, "run", epochs=2, batch_size=1)

    def crash() -> None:
        raise ZeroDivisionError

    fit(recipe, *sides, folder / "whole", options)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        stop(patch, 1, crash)
        fit(recipe, *sides, folder / "halves", options)
    fit(recipe, *sides, folder / "halves", options, resume=True)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_two_processes_resume_as_one_run(sides, tmp_path: Path) -> None:
    """DDP over gloo, with a loader's worker in each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # or each would take seconds to import torch
    processes = [context.Process(target=train_as, args=(rank, port, sides, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert_same(tmp_path / "whole", tmp_path / "halves")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A run of one epoch, and what it was made of; to be copied."""
    from tests.conftest import scene

    root = tmp_path_factory.mktemp("begun")
    rng = np.random.default_rng(0)
    for i in range(6):
        image, mask = scene(rng)
        save_png(root / "set" / "images" / f"{i}.png", image)
        save_png(root / "set" / "masks" / f"{i}.png", mask)
    samples = read_dataset(root / "set")
    sides = samples[:4], samples[4:]
    fit(SHORT, *sides, root / "run", OPTIONS)
    return root / "run", *sides


SHORT = changed(PLATEAU, "run", epochs=1)
LONGER = changed(PLATEAU, "run", epochs=2)


@pytest.fixture
def copied(begun, tmp_path: Path) -> tuple:
    folder, train, val = begun
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run", train, val


def test_a_run_tells_what_made_it(begun) -> None:
    folder, train, _ = begun
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["seed"] == 0
    assert manifest["recipe"]["optimizer"]["lr"] == 0.02
    assert [(entry["source"], entry["images"]) for entry in manifest["data"]] == [("train", 4), ("val", 2)]
    assert manifest["data"][0]["sha256"] == fingerprint(train)
    assert (manifest["device"], manifest["processes"], manifest["precision"]) == ("cpu", 1, "32-true")
    assert manifest["versions"].keys() == {"handseg", "python", "torch", "lightning", "numpy"}
    assert manifest["init"] is manifest["teacher"] is None


def other_content(train: list, folder: Path) -> list:
    """The same names, one pixel apart."""
    root = folder.parent / "other"
    shutil.copytree(train[0].image.parents[1], root)
    image = load_image(root / "images" / train[0].image.name)
    image[0, 0] ^= 1
    save_png(root / "images" / train[0].image.name, image)
    return read_dataset(root)[: len(train)]


OTHERS = {
    "seed": (lambda f, t, v: (LONGER, t, v, replace(OPTIONS, seed=1)), "seed: 0 then, 1 now"),
    "batch": (lambda f, t, v: (changed(LONGER, "run", batch_size=4), t, v, OPTIONS), "run.batch_size: 2 then, 4 now"),
    "network": (lambda f, t, v: (changed(LONGER, "network", widths=(8,)), t, v, OPTIONS), "network.widths: .4. then"),
    "content": (lambda f, t, v: (LONGER, other_content(t, f), v, OPTIONS), "train: other content .4 images then, 4"),
    "fewer images": (lambda f, t, v: (LONGER, t[:3], v, OPTIONS), "which images are trained on"),
    "label": (lambda f, t, v: (LONGER, [replace(t[0], label=t[1].label), *t[1:]], v, OPTIONS), "train: other content"),
    "processes": (lambda f, t, v: (LONGER, t, v, replace(OPTIONS, devices=2)), "processes: 1 then, 2 now"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_run_is_refused_by_name(copied, name: str) -> None:
    change, message = OTHERS[name]
    recipe, train, val, options = change(*copied)
    before = (copied[0] / "last.ckpt").read_bytes(), (copied[0] / "run.json").read_bytes()
    with pytest.raises(TrainingError, match=f"{message}.*--force-resume"):
        fit(recipe, train, val, copied[0], options, resume=True)
    assert before == ((copied[0] / "last.ckpt").read_bytes(), (copied[0] / "run.json").read_bytes())


def test_what_differs_is_taken_when_forced_and_kept_on_record(copied, capsys: pytest.CaptureFixture[str]) -> None:
    folder, train, val = copied
    fit(LONGER, train, val, folder, replace(OPTIONS, seed=1), resume=True, force=True)
    assert "going on with what differs: seed: 0 then, 1 now" in capsys.readouterr().err
    manifest = json.loads((folder / "run.json").read_text())
    assert (manifest["seed"], [earlier["seed"] for earlier in manifest["earlier"]]) == (1, [0])
    for table, values in (("network", {"widths": (8,)}), ("optimizer", {"lr": 0.1})):
        other = changed(changed(LONGER, table, **values), "run", epochs=3)
        with pytest.raises(TrainingError, match="another network, optimizer or schedule .* --init"):
            fit(other, train, val, folder, OPTIONS, resume=True, force=True)


def test_a_run_that_moved_with_its_data_goes_on_and_remembers_its_best(copied) -> None:
    folder, train, _ = copied
    shutil.copytree(train[0].image.parents[1], folder.parent / "moved")
    moved = read_dataset(folder.parent / "moved")
    watchers = state(folder)["callbacks"].items()
    # By the name that checkpoints of older versions have.
    kept = next(value for key, value in watchers if key.startswith("ModelCheckpoint") and "'val_loss'" in key)
    best = RunCheckpoint(folder, "best", monitor="val_loss")
    best.load_state_dict(kept)
    assert float(best.best_model_score) == float(kept["best_model_score"])
    assert best.best_k_models == {str(folder / "best.ckpt"): kept["best_model_score"]}
    fit(LONGER, moved[:4], moved[4:], folder, OPTIONS, resume=True)
    assert state(folder)["epoch"] == 1


def test_a_finished_run_says_so_and_stays(copied, capsys: pytest.CaptureFixture[str]) -> None:
    folder, train, val = copied
    before = (folder / "last.ckpt").read_bytes()
    assert fit(SHORT, train, val, folder, OPTIONS, resume=True) == folder / "last.ckpt"
    assert "nothing left to train: has its 1 epochs; more of them with --epochs" in capsys.readouterr().err
    assert (folder / "last.ckpt").read_bytes() == before


def test_a_run_that_stopped_early_stays_stopped(begun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, train, val = begun
    recipe = changed(changed(TINY, "run", epochs=9, early_stopping=1, threshold=0.01), "optimizer", lr=1.0)
    fit(recipe, train, val, tmp_path / "run", OPTIONS)
    before = state(tmp_path / "run")["epoch"]
    assert before < 8
    fit(recipe, train, val, tmp_path / "run", OPTIONS, resume=True)
    assert f"stopped early after {before + 1} epochs" in capsys.readouterr().err
    assert state(tmp_path / "run")["epoch"] == before


def test_other_epochs_say_what_becomes_of_the_schedule(
    copied, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, train, val = copied
    fit(LONGER, train, val, folder, OPTIONS, resume=True)
    assert "1 epochs then, 2 now: the schedule follows the validation loss" in capsys.readouterr().err
    cosine = changed(changed(TINY, "run", epochs=1), "optimizer", warmup=0)
    fit(cosine, train, val, tmp_path / "cosine", OPTIONS)
    fit(changed(cosine, "run", epochs=2), train, val, tmp_path / "cosine", OPTIONS, resume=True)
    assert "the schedule is that of 2 epochs, its learning rate 0.5 of the highest, where it was 0;" in (
        capsys.readouterr().err
    )


def test_a_run_of_an_older_handseg_is_compared_by_its_recipe(copied, capsys: pytest.CaptureFixture[str]) -> None:
    folder, train, val = copied
    manifest = json.loads((folder / "run.json").read_text())
    manifest["versions"]["torch"] = "1.0"
    (folder / "run.json").write_text(json.dumps(manifest))
    fit(SHORT, train, val, folder, OPTIONS, resume=True)
    assert "torch 1.0 then" in capsys.readouterr().err
    (folder / "run.json").unlink()
    with pytest.raises(TrainingError, match="run.batch_size: 2 then, 4 now"):
        fit(changed(LONGER, "run", batch_size=4), train, val, folder, OPTIONS, resume=True)
    fit(LONGER, train, val, folder, OPTIONS, resume=True)
    assert "has no run.json, as it was begun by an older handseg" in capsys.readouterr().err
    assert (folder / "run.json").is_file()


def test_the_command_line_records_and_compares(dataset: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(
        'name = "tiny"\n[network]\narchitecture = "UNet"\nwidths = [4]\n[input]\nsize = [24, 32]\n'
        '[run]\nepochs = 1\nbatch_size = 2\nprecision = "32"\n'
    )

    def train(*more: object) -> Result:
        command = ["train", "--recipe", recipe, "--data", dataset, "-o", out, "--threads", 1, "--accelerator", "cpu"]
        return CliRunner().invoke(main, [str(a) for a in (*command, *more)])

    assert train().exit_code == 0
    manifest = json.loads((out / "run.json").read_text())
    assert [(entry["source"], entry["images"]) for entry in manifest["data"]] == [(f"--data {dataset}", 12)]
    result = train("--resume", "--epochs", 2, "--seed", 1, "--final")
    assert result.exit_code == 1
    assert "seed: 0 then, 1 now; which images are trained on" in result.output
    assert len(Split.load(out / "split.json").test) > 0  # not replaced by that of --final
    (out / "split.json").rename(tmp_path / "split.json")
    assert "split.json: missing" in train("--resume").output
    assert train("--resume", "--split", tmp_path / "split.json", "--epochs", 2).exit_code == 0


DAMAGE = {
    "a manifest": ("run.json", b"{", "run.json: damaged"),
    "a checkpoint": ("last.ckpt", b"half", "last.ckpt: not a handseg checkpoint"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_named(copied, name: str) -> None:
    folder, train, val = copied
    file, content, message = DAMAGE[name]
    (folder / file).write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        fit(LONGER, train, val, folder, OPTIONS, resume=True)


def test_sigterm_ends_in_a_run_that_goes_on(begun, tmp_path: Path) -> None:
    _, train, val = begun
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TrainingError, match="from the start, no epoch"):
        stop(patch, 0, lambda: signal.raise_signal(signal.SIGTERM))
        fit(LONGER, train, val, tmp_path / "run", OPTIONS)
    assert fit(LONGER, train, val, tmp_path / "run", OPTIONS, resume=True).is_file()


class Deadly:
    """Kills the process that saves it."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_killed_while_it_writes_leaves_the_checkpoint_before(copied) -> None:
    folder, train, val = copied
    before = (folder / "last.ckpt").read_bytes()
    if (child := os.fork()) == 0:
        WholeCheckpoints().save_checkpoint({"a": torch.zeros(1000), "b": Deadly()}, folder / "last.ckpt")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (folder / "last.ckpt").read_bytes() == before
    assert list(folder.glob(".last.ckpt.*.tmp"))
    fit(LONGER, train, val, folder, OPTIONS, resume=True)
    assert not list(folder.glob(".last.ckpt.*.tmp"))
