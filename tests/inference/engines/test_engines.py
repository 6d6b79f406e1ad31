"""The contract that every engine keeps, on one small network exported for each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from handseg.cli import options
from handseg.errors import MissingExtraError, ModelError
from handseg.inference.card import ModelCard
from handseg.inference.engines import ENGINES, find_model, open_engine, packaged_models


def require(engine: str) -> None:
    """Skip where an engine isn't installed or the CPU can't run it."""
    if engine.startswith("openvino"):
        openvino = pytest.importorskip("openvino", reason="openvino isn't installed: handseg[openvino]")
        if engine == "openvino-bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            pytest.skip("this CPU has no bfloat16")


def tolerance(engine: str) -> float:
    return 1e-2 if engine == "openvino-bf16" else 1e-5


@pytest.fixture(scope="module")
def files(torch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A narrow U-Net as each engine's file."""
    from handseg.export.export import write_onnx, write_torchscript
    from handseg.nets import UNet
    from handseg.nets.deployable import Deployable

    pytest.importorskip("onnxscript", reason="onnxscript isn't installed: handseg[export]")
    torch.manual_seed(0)
    card = ModelCard("tiny", size=(32, 48), stride=4, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
    net = Deployable(UNet(3, 1, (4, 8)), card.mean, card.std).eval()
    folder = tmp_path_factory.mktemp("engines")
    write_onnx(net, card, folder / "tiny.onnx")
    write_torchscript(net, card, folder / "tiny.pt")
    return {name: folder / f"tiny{suffix}" for name, suffix in ENGINES.items()}


@pytest.mark.parametrize("name", ENGINES)
class TestEngine:
    @pytest.fixture(autouse=True)
    def installed(self, name: str) -> None:
        require(name)

    def test_it_runs_any_batch_and_aligned_size(self, files: dict[str, Path], name: str) -> None:
        engine = open_engine(files[name], engine=name, threads=1)
        assert engine.name == name
        assert engine.card.name == "tiny"
        rng = np.random.default_rng(0)
        for shape in ((1, 32, 48), (3, 4, 4), (2, 60, 20)):
            output = engine.run(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
            assert output.shape == (shape[0], 1, *shape[1:])
            assert output.dtype == np.float32
            assert 0 < output.min() <= output.max() < 1

    def test_a_batch_gives_what_single_images_give(self, files: dict[str, Path], name: str) -> None:
        engine = open_engine(files[name], engine=name, threads=1)
        batch = np.random.default_rng(1).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
        alone = np.concatenate([engine.run(image[None]) for image in batch])
        assert np.abs(engine.run(batch) - alone).max() < tolerance(name)

    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "model.onnx"
        path.write_text("not a model")
        with pytest.raises(ModelError, match=r"model\.onnx: not a"):
            open_engine(path, engine=name)

    def test_a_missing_device_is_an_error_not_a_fallback(self, files: dict[str, Path], name: str) -> None:
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this machine has the device")
        with pytest.raises(ModelError, match="cuda"):
            open_engine(files[name], engine=name, device="cuda")
        with pytest.raises(ModelError, match="toaster"):
            open_engine(files[name], engine=name, device="toaster")

    def test_outputs_are_the_callers_own(self, files: dict[str, Path], name: str) -> None:
        engine = open_engine(files[name], engine=name, threads=1)
        first = engine.run(np.zeros((1, 32, 48, 3), np.uint8))
        kept = first.copy()
        engine.run(np.full((1, 32, 48, 3), 255, np.uint8))
        assert np.array_equal(first, kept)


@pytest.mark.parametrize("name", ENGINES)
def test_engines_agree(files: dict[str, Path], name: str) -> None:
    require(name)
    batch = np.random.default_rng(2).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    expected = open_engine(files["onnxruntime"], threads=1).run(batch)
    output = open_engine(files[name], engine=name, threads=1).run(batch)
    assert np.abs(output - expected).max() < tolerance(name)


def test_the_command_line_offers_every_engine() -> None:
    assert tuple(ENGINES) == options.ENGINES


def test_onnxruntime_stays_the_default_and_nothing_else_steps_in(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_engine(files["onnxruntime"], threads=1).name == "onnxruntime"
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"handseg\[openvino\]"):
        open_engine(files["openvino"], engine="openvino")


def test_bfloat16_is_refused_where_the_cpu_has_none(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino isn't installed: handseg[openvino]")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])
    with pytest.raises(ModelError, match="no bfloat16; use --engine openvino"):
        open_engine(files["openvino"], engine="openvino-bf16")


def test_a_provider_that_does_not_start_is_an_error(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime lists CUDA where it was built with it, and goes on with the CPU where its libraries are missing."""

    class Fallen(onnxruntime.InferenceSession):
        def __init__(self, path: str, settings: onnxruntime.SessionOptions, providers: list) -> None:
            super().__init__(path, settings, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(ModelError, match="cuda:1: onnxruntime can't start it"):
        open_engine(files["onnxruntime"], device="cuda:1")
    with pytest.raises(ModelError, match="write cuda or cuda:0"):
        open_engine(files["onnxruntime"], device="cuda:first")


def test_an_onnx_file_without_a_card_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(files["onnxruntime"])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    for engine in ("onnxruntime", "openvino"):
        require(engine)
        with pytest.raises(ModelError, match="carries no model card"):
            open_engine(tmp_path / "bare.onnx", engine=engine)


def test_models_are_found_by_name_or_path(files: dict[str, Path]) -> None:
    assert find_model("default").name == "default.onnx"
    assert find_model(files["onnxruntime"]) == files["onnxruntime"]
    with pytest.raises(ModelError, match="neither a file nor a packaged model; packaged are: default"):
        find_model("nothing")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from Linux's /proc")
@pytest.mark.parametrize("name", packaged_models())
def test_packaged_models_tell_what_they_learned_from(name: str) -> None:
    sessions = open_engine(name).card.sessions
    assert {"CARDS_OFFICE_BS", "utg:200", "hgr:hgr1_id01"} < {*sessions}
    assert "CARDS_LIVINGROOM_BT" not in sessions  # nearly all of what they are tested on


def test_memory_that_a_second_look_took_is_given_back() -> None:
    """In a process of its own: how much more is resident after an input nine times as large."""
    code = """
import numpy as np
from handseg.inference.engines import open_engine

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

engine = open_engine("default", threads=1)
height, width = engine.card.size
engine.run(np.zeros((1, height, width, 3), np.uint8))
before = resident()
engine.run(np.zeros((1, 3 * height, 3 * width, 3), np.uint8))
print(resident() - before)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 60  # MB; 200 were kept


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself SIGINT")
@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_after_two_models_were_closed(engine: str, files: dict[str, Path]) -> None:
    """OpenVINO leaves the thread that compiled two models with a freed stack for signal handlers."""
    require(engine)
    script = (
        "import gc, signal, sys\n"
        "from handseg.inference.engines import open_engine\n"
        "for close in range(2):\n"
        "    engines = [open_engine(sys.argv[1], engine=sys.argv[2], threads=1) for _ in range(2)]\n"
        "    while engines:\n"
        "        engines.pop(0), gc.collect()\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    for _ in range(100): pass\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(files[engine]), engine]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == "stopped\n", result.stderr
