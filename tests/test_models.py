"""`handseg.load`: packaged names, files and runs; a Segmenter travels to other processes."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import handseg
from handseg.errors import ImageError, MissingExtraError, ModelError, TrainingError
from handseg.image import load_image
from handseg.inference.engines import find_model
from tests.cli.test_commands import run

EXAMPLE = Path(__file__).parents[1] / "examples" / "hand.jpg"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training of no step would leave."""
    torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
    from handseg.training.module import HandModule
    from handseg.training.recipe import Recipe

    torch.manual_seed(0)
    values = Recipe.load("default").to_dict()
    values["network"] = {**values["network"], "pretrained": False}
    module = HandModule(values)
    content = {"hyper_parameters": dict(module.hparams), "state_dict": module.state_dict()}
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    for name in ("last", "best"):
        torch.save(content, folder / f"{name}.ckpt")
    return folder


def test_a_run_is_opened_by_its_folder_or_checkpoint(run_folder: Path) -> None:
    by_folder, by_file = handseg.load(run_folder, threads=1), handseg.load(str(run_folder / "last.ckpt"), threads=1)
    assert by_folder.engine.name == "torch"
    assert Path(by_folder.engine.model).parent == run_folder
    assert np.array_equal(by_folder(EXAMPLE).probability, by_file(EXAMPLE).probability)


def test_predict_takes_a_run(run_folder: Path, tmp_path: Path) -> None:
    made = run("predict", EXAMPLE, "-o", tmp_path, "--model", run_folder, "--threads", "1")
    assert made.exit_code == 0, made.output
    assert load_image(tmp_path / "hand.png").shape == load_image(EXAMPLE).shape


def test_what_is_no_run_or_not_for_one_is_said(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"without last\.ckpt, so no run"):
        handseg.load(tmp_path)
    with pytest.raises(TrainingError, match="no such checkpoint"):
        handseg.load(tmp_path / "no.ckpt")
    with pytest.raises(ModelError, match=r"opened by torch, not by openvino; .*handseg export"):
        handseg.load(run_folder, engine="openvino")
    with pytest.raises(ModelError, match="runs on cpu or cuda"):
        handseg.load(run_folder, device="coreml")


def test_without_torch_a_run_names_the_extra(run_folder: Path) -> None:
    code = (
        "import sys\nfor name in ('torch', 'lightning'): sys.modules[name] = None\nimport handseg\n"
        f"try: handseg.load({str(run_folder)!r})\nexcept handseg.HandsegError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.stdout == f"{MissingExtraError(f'{run_folder}: a run', 'train')}\n", told.stderr


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
@pytest.mark.parametrize("model", ["default", "run"])
def test_a_number_of_threads_that_is_none(threads: object, model: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue("run_folder") if model == "run" else model
    with pytest.raises(ModelError, match="must be 1 or more; leave it out for all cores"):
        handseg.load(path, threads=threads)  # type: ignore[arg-type]


def test_a_segmenter_pickles_with_its_settings(tmp_path: Path) -> None:
    shutil.copy(find_model("nano"), tmp_path / "mine.onnx")
    for model, settings in (("nano", {"threshold": 0.3}), (tmp_path / "mine.onnx", {"second_look": False})):
        segmenter = handseg.load(model, threads=1, **settings)  # type: ignore[arg-type]
        again = pickle.loads(pickle.dumps(segmenter))
        assert (again.threshold, again.second_look) == (segmenter.threshold, segmenter.second_look)
        assert np.array_equal(again(EXAMPLE).probability, segmenter(EXAMPLE).probability)
    assert str(find_model("nano")).encode() not in pickle.dumps(handseg.load("nano"))  # by name: may lie elsewhere
    content = pickle.dumps(segmenter)
    (tmp_path / "mine.onnx").unlink()
    with pytest.raises(ModelError, match="neither a file nor a packaged model"):
        pickle.loads(content)


def test_a_run_and_other_engines_pickle(run_folder: Path) -> None:
    pytest.importorskip("openvino", reason="openvino isn't installed: handseg[openvino]")
    for segmenter in (handseg.load(run_folder, threads=1), handseg.load("nano", engine="openvino", threads=1)):
        again = pickle.loads(pickle.dumps(segmenter))
        assert again.engine.name == segmenter.engine.name
        assert np.array_equal(again(EXAMPLE).mask, segmenter(EXAMPLE).mask)


def test_a_segmenter_works_in_other_processes() -> None:
    segmenter = handseg.load("nano", threads=1)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        (result,) = pool.map(segmenter, [EXAMPLE])
    assert np.array_equal(result.mask, segmenter(EXAMPLE).mask)
    assert repr(segmenter) == "<Segmenter nano, onnxruntime, hand, threshold 0.6>"


def test_the_segmenter_takes_what_load_image_takes() -> None:
    segmenter = handseg.load("nano", threads=1)
    image = load_image(EXAMPLE)
    expected = segmenter(image).probability
    assert np.array_equal(segmenter(EXAMPLE.read_bytes()).probability, expected)
    assert np.array_equal(segmenter(image[..., ::-1], bgr=True).probability, expected)
    (result,) = segmenter.batch([image[..., ::-1]], bgr=True)
    assert np.array_equal(result.probability, expected)
    assert np.array_equal(result.image, image)
    (result,) = segmenter.batch(image[None])
    assert np.array_equal(result.probability, expected)


@pytest.mark.parametrize("several", ["a.jpg", b"", Path("a.jpg"), None, np.zeros((4, 4, 3), np.uint8), 3])
def test_one_image_in_place_of_several_is_refused(several: object) -> None:
    segmenter = handseg.load("nano", threads=1)
    for method in (segmenter.batch, segmenter.stream):
        with pytest.raises(ImageError, match="give a list"):
            method(several)
