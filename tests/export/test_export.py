"""Exported files carry their card, run at any size, and agree with torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
pytest.importorskip("onnxscript", reason="onnxscript isn't installed: handseg[export]")

from handseg.errors import ModelError
from handseg.export import export as module
from handseg.export.export import export, fold_batch_norm
from handseg.image import load_image
from handseg.inference.engines import open_engine
from handseg.models import load
from handseg.training.module import HandModule
from handseg.training.recipe import Recipe


@pytest.fixture(scope="module")
def trained():
    """A narrow default network whose batch normalisation has seen something, so that folding it matters."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = Recipe.from_dict({"name": "narrow", "network": {"widths": [16, 12, 8, 8]}, "input": {"size": [64, 96]}})
    net = HandModule(recipe.to_dict())
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return net.eval()


@pytest.fixture(scope="module")
def full(trained, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Its file, written once since that takes a while, and how far that is from torch on 20 real images."""
    path = tmp_path_factory.mktemp("full") / "model.onnx"
    return path, export(trained, path, pictures(data, 20))


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def pictures(data: Path, n: int) -> list[np.ndarray]:
    """Real images of different sizes and shapes."""
    sets = [sorted((data / name / "images").iterdir()) for name in ("egohands_more", "utg", "hgr", "irllabs")]
    chosen = [paths[i * len(paths) // n] for i in range(n) for paths in sets][:n]
    images = [load_image(path) for path in chosen]
    return [image[: len(image) - 7 * i] for i, image in enumerate(images)]


@pytest.mark.parametrize("suffix", [".onnx", ".pt"])
def test_a_file_agrees_with_torch_on_20_real_images_and_knows_its_card(
    trained, full: tuple[Path, float], data: Path, tmp_path: Path, suffix: str
) -> None:
    images = pictures(data, 20)
    assert len({image.shape for image in images}) >= 15
    path = full[0] if suffix == ".onnx" else tmp_path / "model.pt"
    assert (full[1] if suffix == ".onnx" else export(trained, path, images)) <= 1e-4
    engine = open_engine(path, threads=1)
    assert engine.card.policies == ("hand",)
    assert engine.card.size == (64, 96)
    result = load(path)(images[0])
    assert result.mask.shape == images[0].shape[:2]


def test_half_precision_halves_the_file_and_changes_little(trained, full: tuple[Path, float], tmp_path: Path) -> None:
    export(trained, tmp_path / "half.onnx", [noise()], half=True)
    files = full[0], tmp_path / "half.onnx"
    sizes = [path.stat().st_size for path in files]
    assert sizes[1] < 0.6 * sizes[0]
    outputs = [open_engine(path).run(noise()[None]) for path in files]
    assert 0 < np.abs(outputs[0] - outputs[1]).max() < 0.02


def test_folding_batch_norm_keeps_the_function_and_the_original(trained) -> None:
    folded = fold_batch_norm(trained.net)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in trained.net.modules())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(folded(image), trained.net(image), atol=1e-4)


@pytest.mark.parametrize("by", [3, float("nan")])
def test_a_file_that_differs_from_torch_is_not_written(
    trained, by: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = module.write_torchscript

    def wrong(net, card, path, **options) -> None:
        net.net.head.bias.data[0] += by
        written(net, card, path, **options)

    monkeypatch.setattr(module, "write_torchscript", wrong)
    images = [np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)]
    with pytest.raises(ModelError, match="differs from torch by"):
        export(trained, tmp_path / "model.pt", images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "half"), [("model.pt", False), ("model.onnx", True)])
def test_a_network_that_folding_changed_is_not_written(
    trained, name: str, half: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net):
        net = fold_batch_norm(net)
        net.encoder.stem.conv.bias.data += 1
        return net

    monkeypatch.setattr(module, "fold_batch_norm", wrong)
    images = [np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)]
    with pytest.raises(ModelError, match="differs from torch by"):
        export(trained, tmp_path / name, images, half=half)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused(trained, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"use \.onnx or \.pt"):
        export(trained, tmp_path / "model.bin", [])


def test_no_path_of_this_machine_is_in_a_file(tmp_path: Path) -> None:
    network = HandModule(
        Recipe.from_dict({"name": "tiny", "network": {"architecture": "UNet", "widths": [4, 8]}}).to_dict()
    )
    export(network.eval(), tmp_path / "tiny.onnx", [np.zeros((40, 56, 3), np.uint8)])
    assert b"nets/deployable.py" not in (tmp_path / "tiny.onnx").read_bytes()
