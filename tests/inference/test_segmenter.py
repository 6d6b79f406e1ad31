"""The packaged model through the public API, on the example picture and on whatever shape comes."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import handseg
from handseg.errors import ImageError, MissingExtraError, ModelError
from handseg.image import load_image, load_mask
from handseg.inference.engines import packaged_models
from handseg.metrics import count, score

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def segmenter() -> handseg.Segmenter:
    return handseg.load(threads=1)


@pytest.mark.parametrize("model", packaged_models())
def test_every_packaged_model_finds_the_example_hand(model: str) -> None:
    result = handseg.load(model, threads=1)(EXAMPLES / "hand.jpg")
    assert score(count(result.mask, load_mask(EXAMPLES / "hand_mask.png")))["image"]["iou"] > 0.7
    assert bool(result.class_map.any()) == model.startswith("default")


def test_the_example_hand_is_found(segmenter: handseg.Segmenter) -> None:
    result = segmenter(EXAMPLES / "hand.jpg")
    assert result.probability.dtype == np.float32
    assert set(np.unique(result.mask)) == {0, 255}
    assert score(count(result.mask, load_mask(EXAMPLES / "hand_mask.png")))["image"]["iou"] > 0.8
    assert len(result.hands) == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (32, 32), (97, 211), (640, 360), (1080, 1920)])
def test_the_mask_has_the_images_size(segmenter: handseg.Segmenter, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    result = segmenter(image)
    assert result.mask.shape == result.probability.shape == shape
    assert 0 <= result.probability.min() <= result.probability.max() <= 1


def test_paths_arrays_and_pil_images_give_the_same(segmenter: handseg.Segmenter) -> None:
    path = EXAMPLES / "hand.jpg"
    expected = segmenter(path).probability
    assert np.array_equal(segmenter(str(path)).probability, expected)
    assert np.array_equal(segmenter(load_image(path)).probability, expected)
    with Image.open(path) as image:
        assert np.array_equal(segmenter(image).probability, expected)


def test_a_batch_gives_what_single_calls_give(segmenter: handseg.Segmenter) -> None:
    image = load_image(EXAMPLES / "hand.jpg")
    images = [image, image[::-1], image[:300, :300], image[:, ::-1]]
    for together, alone in zip(segmenter.batch(images, size=3), map(segmenter, images), strict=True):
        assert np.abs(together.probability - alone.probability).max() < 1e-5


@pytest.mark.parametrize("test_time", ["flip", "flip+scales"])
def test_views_are_averaged(segmenter: handseg.Segmenter, test_time: handseg.inference.segmenter.TestTime) -> None:
    image = load_image(EXAMPLES / "hand.jpg")[:400, :500]
    many = handseg.load(threads=1, test_time=test_time)
    result = many(image)
    # The mean over a set of views that holds each one's mirror image doesn't change when the image is mirrored.
    assert np.abs(many(image[:, ::-1]).probability[:, ::-1] - result.probability).max() < 1e-4
    one, mirrored = segmenter(image).probability, segmenter(image[:, ::-1]).probability[:, ::-1]
    if test_time == "flip":
        assert np.abs((one + mirrored) / 2 - result.probability).max() < 1e-5
    assert [np.array_equal(r.probability, result.probability) for r in many.batch([image])] == [True]


def test_a_stream_yields_as_frames_come(segmenter: handseg.Segmenter) -> None:
    taken = []

    def frames():
        for i in range(3):
            taken.append(i)
            yield np.full((40, 60, 3), i, np.uint8)

    stream = segmenter.stream(frames())
    assert next(stream).mask.shape == (40, 60)
    assert taken == [0]
    assert len(list(stream)) == 2


def test_a_threshold_changes_the_mask() -> None:
    low, high = handseg.load(threshold=0.05), handseg.load(threshold=0.95)
    path = EXAMPLES / "hand.jpg"
    assert low(path).mask.sum() > high(path).mask.sum() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "best"}, "packaged are: default"),
        ({"engine": "tensorflow"}, "unknown engine"),
        ({"policy": "arm"}, "unknown"),
        ({"test_time": "often"}, "choose one of none, flip"),
        ({"threshold": 2.0}, "between 0 and 1"),
        ({"model": EXAMPLES / "hand.jpg"}, "not an ONNX model"),
    ],
)
def test_a_wrong_choice_says_what_there_is(arguments: dict, message: str) -> None:
    with pytest.raises(handseg.HandsegError, match=message):
        handseg.load(**arguments)


def test_the_blogs_pipeline_is_the_segmenter_at_its_threshold() -> None:
    pipeline = handseg.HandSegmentationPipeline("default", device="cpu", input_size=(256, 256))
    expected = handseg.load(threshold=0.45)(EXAMPLES / "hand.jpg").mask
    assert np.array_equal(pipeline.predict(EXAMPLES / "hand.jpg"), expected)


NO_IMAGES = {
    "bytes": b"\xff\xd8",
    "file": io.BytesIO(),
    "list": [[0, 1], [2, 3]],
    "None": None,
    "floats": np.zeros((8, 8, 3), np.float32),
    "bool": np.zeros((8, 8), bool),
    "objects": np.zeros((8, 8, 3), object),
    "16 bits": np.zeros((8, 8, 3), ">u2"),
    "channels first": np.zeros((3, 8, 8), np.uint8),
    "nothing": Image.new("RGB", (0, 0)),
    "closed": Image.open(EXAMPLES / "hand.jpg"),
    "cut short": Image.open(io.BytesIO((EXAMPLES / "hand.jpg").read_bytes()[:9000])),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_is_named(segmenter: handseg.Segmenter, name: str) -> None:
    image = NO_IMAGES[name]
    if name == "closed":
        image.close()
    with pytest.raises(ImageError, match=r"^[^\n]+$"):
        segmenter(image)


def test_views_subclasses_and_modes_are_the_image_that_they_hold(segmenter: handseg.Segmenter) -> None:
    image = load_image(EXAMPLES / "hand.jpg")[::4, ::4]
    expected = segmenter(image.copy()).probability
    fixed = image.copy()
    fixed.flags.writeable = False
    flipped = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
    for other in (image, fixed, flipped, np.asfortranarray(image), np.ma.masked_array(image)):
        assert np.array_equal(segmenter(other).probability, expected)
    grey = np.ascontiguousarray(image[..., 1])
    expected = segmenter(grey).probability
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        others = [np.asmatrix(grey), Image.fromarray(grey), Image.fromarray(grey).convert("LA").convert("La")]
    for other in others:
        assert np.array_equal(segmenter(other).probability, expected)


def test_one_array_may_be_filled_again_for_each_image_of_a_batch(segmenter: handseg.Segmenter) -> None:
    """As who reads frames into one buffer does; of the network's own size, nothing else makes a copy."""
    height, width = segmenter.card.size
    with Image.open(EXAMPLES / "hand.jpg") as file:
        image = np.asarray(file.resize((width, height)))
    buffer = np.empty_like(image)

    def frames() -> Iterator[np.ndarray]:
        for frame in (image, np.zeros_like(image), image):
            buffer[:] = frame
            yield buffer

    assert [len(result.hands) for result in segmenter.batch(frames(), size=3)] == [1, 0, 1]


@pytest.mark.parametrize("one", [str(EXAMPLES / "hand.jpg"), EXAMPLES / "hand.jpg", np.zeros((9, 9, 3), np.uint8)])
def test_one_image_is_not_taken_for_several(segmenter: handseg.Segmenter, one: object) -> None:
    with pytest.raises(ImageError, match="one .*, where several images are asked for; give a list"):
        segmenter.batch(one)
    assert len(segmenter.batch(np.zeros((2, 9, 9, 3), np.uint8))) == 2


def test_a_batch_has_a_size_and_an_engine_threads(segmenter: handseg.Segmenter) -> None:
    with pytest.raises(ValueError, match="size is 0"):
        segmenter.batch([], size=0)
    for threads in (0, -1, "2", 1.5):
        with pytest.raises(ModelError, match="must be 1 or more"):
            handseg.load("nano", threads=threads)


def test_a_segmenter_and_an_error_may_be_sent_to_another_process() -> None:
    segmenter = handseg.load("nano", threads=1, threshold=0.4, policy="hand", second_look=False)
    image = load_image(EXAMPLES / "hand.jpg")[::4, ::4]
    expected = segmenter(image)
    for sent in (pickle.loads(pickle.dumps(segmenter)), copy.deepcopy(segmenter)):
        assert sent.threshold == 0.4
        assert np.array_equal(sent(image).mask, expected.mask)
    assert np.array_equal(pickle.loads(pickle.dumps(expected)).mask, expected.mask)
    error = MissingExtraError("Video", "video")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
