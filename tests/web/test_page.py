"""The web page in a real browser: the masks that Python gives, and a page that does what it says."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

import handseg
from handseg.image import load_image, resize, save_png
from handseg.masks.result import HandMask
from web.headless import BROWSER, Site, served

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/hand.jpg"

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(
        shutil.which("npm") is None and not (ROOT / "web/node_modules").is_dir(), reason="no npm on this machine"
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The built page, with the harness beside it."""
    folder = tmp_path_factory.mktemp("web")
    built = subprocess.run([sys.executable, ROOT / "web/build.py", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    shutil.copy(Path(__file__).parent / "harness.js", folder)
    (folder / "harness.html").write_text('<!doctype html><body><script type="module" src="harness.js"></script>')
    with served(folder) as site:
        yield site


def act(site: Site, action: str, *flags: str, **parameters: object) -> bytes:
    """What the harness sends back of one action."""
    result = site.browse(f"harness.html?{urlencode({'action': action, **parameters}, doseq=True)}", flags)
    assert not result.startswith(b"failed:"), result.decode()
    return result


def unpack(result: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probability and mask, H×W, of each picture."""
    found = []
    while result:
        width, height = np.frombuffer(result, np.uint32, 2).tolist()
        n = width * height
        probability = np.frombuffer(result, np.float32, n, 8).reshape(height, width)
        mask = np.frombuffer(result, np.uint8, n, 8 + 4 * n).reshape(height, width)
        found.append((probability, mask))
        result = result[8 + 5 * n :]
    return found


def pictures(folder: Path) -> list[Path]:
    """The example hand, large, as it is, narrow, and smaller than the network's input."""
    hand = load_image(EXAMPLE)
    made = [hand, resize(hand, 1400, 2100), hand[:, 200:333], resize(hand, 97, 151)]
    paths = [folder / f"hand{i}.png" for i in range(len(made))]
    for path, image in zip(paths, made):
        save_png(path, np.ascontiguousarray(image))
    return paths


@pytest.mark.parametrize(("model", "policy"), [("nano", "hand"), ("default", "hand+forearm")])
def test_masks_are_those_of_python(site: Site, model: str, policy: str) -> None:
    paths = pictures(site.folder)
    names = [path.name for path in paths]
    result = act(site, "segment", model=f"{model}.onnx", policy=policy, image=names)
    segmenter = handseg.load(model, policy=policy, second_look=False)  # type: ignore[arg-type]
    found = unpack(result)
    assert len(found) == len(paths)
    for path, (probability, mask) in zip(paths, found):
        expected = segmenter(path)
        assert probability.shape == expected.mask.shape
        assert (mask == HandMask(probability, segmenter.threshold).mask).all()
        # Newer Pillows filter the columns of some narrow pictures first, which moves a pixel in 40 by a grey level.
        narrow = path == paths[2]
        assert np.abs(probability - expected.probability).max() < (0.06 if narrow else 1e-4)
        assert (mask != expected.mask).mean() < (0.001 if narrow else 1e-5)
        assert (probability >= segmenter.threshold).mean() > 0.005


def test_real_photos_too(site: Site, tmp_path: Path, data: Path) -> None:
    photos = sorted((data / "irllabs/images").iterdir())[::5]
    names = []
    for i, photo in enumerate(photos):
        names.append(f"photo{i}.png")
        save_png(site.folder / names[-1], load_image(photo))
    found = unpack(act(site, "segment", model="nano.onnx", image=names))
    segmenter = handseg.load("nano", second_look=False)
    for name, (_, mask) in zip(names, found):
        (site.folder / name).rename(tmp_path / name)
        assert (mask != segmenter(tmp_path / name).mask).mean() < 1e-5


def test_what_is_no_model_is_named(site: Site) -> None:
    (site.folder / "text.onnx").write_text("not a model")
    (site.folder / "cut.onnx").write_bytes((site.folder / "nano.onnx").read_bytes()[:100_000])
    (site.folder / "bare.onnx").write_bytes(b"\x08\x08")
    names = ["missing.onnx", "text.onnx", "cut.onnx", "bare.onnx"]
    messages = json.loads(act(site, "refused", model=names))
    assert messages[0] == "missing.onnx: can't be fetched (404); put the model beside the page"
    for name, message in zip(names[1:3], messages[1:3]):
        assert message.startswith(f"{name}: not an ONNX model with a readable handseg card")
    assert messages[3] == "bare.onnx: has no handseg card; use a packaged model, or what handseg export wrote"


def test_the_page_shows_hands_and_saves_their_mask(site: Site) -> None:
    path = pictures(site.folder)[0]
    result = act(site, "page", image=path.name)
    words, shown, saved = np.frombuffer(result, np.uint32, 3).tolist()
    said = json.loads(result[12 : 12 + words])
    view = np.array(Image.open(io.BytesIO(result[12 + words : 12 + words + shown])).convert("RGB"))
    mask = np.array(Image.open(io.BytesIO(result[12 + words + shown :][:saved])).convert("L"))
    expected = handseg.load("nano", second_look=False)(path).mask
    assert (mask != expected).mean() < 1e-5
    original = load_image(path).astype(int)
    inside = mask > 0
    assert np.abs(view[~inside] - original[~inside]).max() <= 1
    assert np.abs(view[inside] - (0.45 * original[inside] + 0.55 * np.array([25, 169, 116]))).max() <= 2
    assert said[0].startswith("Choose a picture")
    share = float(re.match(r"([\d.]+) % of the picture; \d+ ms$", said[1])[1])  # type: ignore[index]
    assert share == pytest.approx(100 * inside.mean(), abs=0.06)
    assert said[2] == "notes.txt: not a picture that this browser can read; choose a JPEG or PNG"
    assert float(said[3].split(" %")[0]) >= share


def test_a_camera_is_masked_until_it_is_stopped(site: Site, tmp_path: Path) -> None:
    """The browser's camera is a file here, which shows the example's hand."""
    frame = Image.fromarray(resize(load_image(EXAMPLE), 360, 640)).convert("YCbCr")
    luma, *chroma = frame.split()
    planes = [np.array(luma), *(np.array(c.resize((320, 180))) for c in chroma)]
    clip = tmp_path / "hand.y4m"
    clip.write_bytes(
        b"YUV4MPEG2 W640 H360 F5:1 Ip C420jpeg\n" + (b"FRAME\n" + b"".join(p.tobytes() for p in planes)) * 5
    )
    flags = ("--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={clip}")
    said = json.loads(act(site, "camera", *flags))
    assert re.match(r"[\d.]+ % of the picture; \d+ ms$", said[0]), said
    expected = (handseg.load("nano", second_look=False)(np.array(frame.convert("RGB"))).mask > 0).mean()
    assert float(said[0].split(" %")[0]) == pytest.approx(100 * expected, abs=1.5)
    assert said[1:] == ["Stop", "Camera"]


def test_a_camera_that_may_not_be_used_is_named(site: Site) -> None:
    said = json.loads(act(site, "camera", "--deny-permission-prompts"))
    assert re.match(r"The camera can't be used \(.+\); allow it in the browser, or choose a picture$", said[0])
    assert said[1] == "Camera"
