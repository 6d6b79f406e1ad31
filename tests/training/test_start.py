"""Training that starts from an exported model: the same function at first, then one that learns on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
pytest.importorskip("onnxscript", reason="onnxscript isn't installed: handseg[export]")

from handseg.errors import TrainingError
from handseg.export.export import export
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe
from handseg.training.start import Start, start_from

NARROW = Recipe.from_dict({"name": "narrow", "network": {"widths": [16, 12, 8, 8]}, "input": {"size": [64, 96]}})


@pytest.fixture(scope="module")
def views() -> list:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (4, 3, 64, 96), generator=generator, dtype=torch.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def exported(views: list, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A network whose batch normalisation has seen something, and its file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = HandModule(NARROW.to_dict(), sessions=["CARDS_OFFICE_BS"])
    with torch.no_grad():
        for _ in range(20):
            module(views[0])
    path = tmp_path_factory.mktemp("start") / "narrow.onnx"
    export(module.eval(), path, [views[0][0].permute(1, 2, 0).numpy()])
    return module, path


def test_it_starts_as_the_same_function_also_in_training_mode(exported, views: list) -> None:
    original, path = exported
    module = HandModule(NARROW.to_dict())
    start_from(module, Start.read(path), views)
    with torch.no_grad():
        everything = torch.cat(views)
        expected = original(everything).sigmoid()
        assert torch.allclose(module.eval()(everything).sigmoid(), expected, atol=1e-4)
        # Normalised by the statistics of what it was measured on, which is this very batch.
        assert torch.allclose(module.train()(everything).sigmoid(), expected, atol=1e-3)


def test_an_exported_model_tells_what_it_learned_from(exported) -> None:
    assert Start.read(exported[1]).sessions == ("CARDS_OFFICE_BS",)


def test_a_model_of_hands_starts_one_of_both_policies(exported, views: list) -> None:
    original, path = exported
    module = HandModule(replace(NARROW, network=replace(NARROW.network, forearm=True)).to_dict())
    start_from(module, Start.read(path), views)
    with torch.no_grad():
        probability = module.eval()(views[0]).softmax(1)
        assert torch.allclose(probability[:, 1], original(views[0])[:, 0].sigmoid(), atol=0.01)
        assert probability[:, 2].max() < 0.02


@pytest.mark.parametrize("suffix", [".onnx", ".ckpt"])
def test_a_model_that_tells_whose_hands_starts_one_that_does_not(tmp_path: Path, views: list, suffix: str) -> None:
    more = replace(NARROW, network=replace(NARROW.network, forearm=True, hand_classes=True))
    original, path = HandModule(more.to_dict()), tmp_path / f"more{suffix}"
    with torch.no_grad():
        original(views[0])  # so that no two of its layers are alike
    original.eval()
    if suffix == ".onnx":
        export(original, path, [views[0][0].permute(1, 2, 0).numpy()])
    else:
        torch.save({"hyper_parameters": dict(original.hparams), "state_dict": original.state_dict()}, path)
    module = HandModule(replace(more, network=replace(more.network, hand_classes=False)).to_dict())
    start_from(module, Start.read(path), views)
    with torch.no_grad():
        assert torch.allclose(module.eval()(views[0]), original(views[0])[:, :3], atol=1e-3)


@pytest.mark.parametrize("suffix", [".onnx", ".ckpt"])
def test_a_smaller_network_starts_from_the_encoder_alone(exported, tmp_path: Path, views: list, suffix: str) -> None:
    original, path = exported
    if suffix == ".ckpt":
        path = tmp_path / "narrow.ckpt"
        torch.save({"hyper_parameters": dict(original.hparams), "state_dict": original.state_dict()}, path)
    small = replace(NARROW.network, stages=4, widths=(12, 8, 8), narrow=(8, 8, 8))
    module = HandModule(replace(NARROW, network=small).to_dict())
    decoder = {name: value.clone() for name, value in module.net.decoder.state_dict().items()}
    assert start_from(module, Start.read(path), views) == "encoder"
    with torch.no_grad():
        x = module.normalise(torch.cat(views))
        expected = original.eval().net.encoder(x)
        found = module.eval().net.encoder(x)
    assert len(found) == 4
    for ours, theirs in zip(found[:3], expected):  # the fourth stage ends before the skip connection at 1/16
        assert torch.allclose(ours, theirs, atol=2e-3)
    for name, value in module.net.decoder.state_dict().items():
        assert torch.equal(value, decoder[name]), name


def test_what_cannot_be_started_from_is_named(exported, tmp_path: Path, views: list) -> None:
    _, path = exported
    unet = HandModule(Recipe.from_dict({"name": "u", "network": {"architecture": "UNet", "widths": [4, 8]}}).to_dict())
    with pytest.raises(TrainingError, match=r"narrow\.onnx: of another network than the recipe u"):
        start_from(unet, Start.read(path), views)
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    with pytest.raises(TrainingError, match=r"text\.onnx: neither a checkpoint nor an ONNX model"):
        start_from(unet, Start.read(text), views)
    with pytest.raises(TrainingError, match=r"nowhere: neither a file nor a packaged model.*last\.ckpt"):
        start_from(unet, Start.read("nowhere"), views)


def learn_beside(tmp_path: Path, samples: list, recipe: Recipe, part: str, **network: object) -> HandModule:
    """Train a network that hears nothing of forearms, then that part alone beside it; everything else must stay bitwise
    the same.
    """
    from handseg.training.checkpoint import load_checkpoint
    from handseg.training.fit import FitOptions, fit

    options = FitOptions(accelerator="cpu", threads=1, progress=False)
    hands = [replace(sample, forearm=None) for sample in samples]
    first = fit(recipe, hands[:4], hands[4:], tmp_path / "mask", options)
    more = replace(
        recipe,
        network=replace(recipe.network, **network),
        optimizer=replace(recipe.optimizer, lr=0.02, only=part),
        run=replace(recipe.run, epochs=30, validate_every=15),  # the mask is no good yet, and stays so
    )
    second = fit(more, samples[:4], samples[4:], tmp_path / "beside", options, init=first)
    before, after = load_checkpoint(first), load_checkpoint(second)
    kept = after.net.state_dict()
    assert [name for name, value in before.net.state_dict().items() if not torch.equal(value, kept[name])] == []
    return after.eval()


FEW = replace(
    NARROW,
    network=replace(NARROW.network, forearm=True),
    run=replace(NARROW.run, epochs=15, validate_every=15, batch_size=2, select="last", precision="32"),
)


def test_only_the_head_of_the_hand_classes_may_be_trained(tmp_path: Path) -> None:
    """From a run that had none: what the mask is made of stays bitwise the same, and left and right are learned."""
    from handseg.data import Sample
    from handseg.image import save_png

    square = np.array([[8.0, 20], [24, 20], [24, 50], [8, 50]])
    samples = []
    for i in range(6):
        left, right = square + np.array([i, 0]), square + np.array([60 + i, 0])
        image = np.zeros((64, 96, 3), np.uint8)
        image[20:50, 8 + i : 24 + i, 0] = image[20:50, 68 + i : 84 + i, 2] = 250  # told apart by their colour
        save_png(tmp_path / f"{i}.png", image)
        samples.append(
            Sample(str(i), tmp_path / f"{i}.png", (left, right), str(i), str(i), hands=(left, right, None, None))
        )
    learn_beside(tmp_path, samples, FEW, "class_head", hand_classes=True)
    with (tmp_path / "beside" / "curves.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.35  # of ln 4 by chance


def test_only_the_head_of_the_forearm_may_be_trained(tmp_path: Path) -> None:
    """Beside a network that was taught hands alone: it learns where the forearms are."""
    from handseg.data import Sample
    from handseg.image import save_png

    hand = np.array([[40.0, 16], [56, 16], [56, 32], [40, 32]])
    samples = []
    for i in range(6):
        image, forearm = np.zeros((64, 96, 3), np.uint8), np.zeros((64, 96), np.uint8)
        image[16:32, 40 + i : 56 + i] = 250
        image[32:64, 40 + i : 56 + i, 0], forearm[32:64, 40 + i : 56 + i] = 250, 255
        save_png(tmp_path / f"{i}.png", image)
        save_png(tmp_path / f"{i}.forearm.png", forearm)
        label = (hand + np.array([i, 0]),)
        samples.append(
            Sample(str(i), tmp_path / f"{i}.png", label, str(i), str(i), forearm=tmp_path / f"{i}.forearm.png")
        )
    module = learn_beside(tmp_path, samples, FEW, "forearm_head", forearm_head=12)
    with torch.no_grad():
        background, _, forearm = module(torch.from_numpy(image).permute(2, 0, 1)[None]).softmax(1)[0]
    share = forearm / (background + forearm)  # the image is one that it has only been validated on
    assert share[36:60, 48:58].mean() > share[:, :36].mean() + 0.4


def test_a_part_that_the_network_lacks_cannot_be_trained_alone() -> None:
    for part, needed in (("class_head", "hand_classes"), ("forearm_head", "forearm_head")):
        recipe = replace(FEW, optimizer=replace(FEW.optimizer, only=part))
        with pytest.raises(TrainingError, match=rf"narrow: \[optimizer\] only = {part} needs {needed} in \[network\]"):
            recipe.build_network()


def test_norms_that_are_kept_are_measured_over_many_batches_and_then_stay(
    exported, views: list, tmp_path: Path
) -> None:
    original, _ = exported
    path = tmp_path / "narrow.ckpt"
    torch.save({"hyper_parameters": dict(original.hparams), "state_dict": original.state_dict()}, path)
    frozen = replace(NARROW.network, frozen_norm=True, frozen_decoder_norm=True)
    module = HandModule(replace(NARROW, network=frozen).to_dict())
    start_from(module, Start.read(path), views)
    norm = next(m for m in module.net.decoder.modules() if isinstance(m, torch.nn.BatchNorm2d))
    before = norm.running_mean.clone()
    theirs = next(m for m in original.net.decoder.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert not torch.allclose(before, theirs.running_mean)
    with torch.no_grad():
        one, all_of_it = (module.train()(x)[0] for x in (views[0][:1], torch.cat(views)))
        module(views[0])
    assert torch.equal(norm.running_mean, before)
    assert norm.momentum == 0.1
    assert torch.allclose(one, all_of_it, atol=1e-5)  # a picture's mask doesn't depend on its neighbours in the batch
    kept = tmp_path / "kept.ckpt"
    torch.save({"hyper_parameters": dict(module.hparams), "state_dict": module.state_dict()}, kept)
    again = HandModule(replace(NARROW, network=frozen).to_dict())
    start_from(again, Start.read(kept), views[:1])  # trained so, it is gone on with as it is
    with torch.no_grad():
        assert torch.equal(again.eval()(views[0]), module.eval()(views[0]))
