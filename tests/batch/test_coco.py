"""The COCO file of an output folder: what is there stays, names and ids too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from handseg.errors import DataError
from handseg.formats import coco_mask
from handseg.image import load_mask
from tests.batch.conftest import coco, digest, picture, pictures


def names(folder: Path) -> dict[str, int]:
    return {image["file_name"]: image["id"] for image in coco(folder)["images"]}


def test_done_in_halves_it_is_one_file_with_names_and_ids_that_stay(tmp_path: Path, predict) -> None:
    folder, out = pictures(tmp_path / "in", "a.jpg", "b.jpg", "dl.jpg.jpg", "x.jpg", "x.png"), tmp_path / "out"
    predict([folder / "b.jpg", folder / "a.jpg"], out, "coco")
    assert names(out) == {"b.jpg": 1, "a.jpg": 2}
    first = {a["image_id"]: a["id"] for a in coco(out)["annotations"]}
    assert predict([folder], out, "coco")["kept"] == ["a.jpg", "b.jpg"]
    assert names(out) == {"b.jpg": 1, "a.jpg": 2, "dl.jpg.jpg": 3, "x.jpg": 4, "x.png": 5}
    assert predict([folder / "b.jpg"], out, "coco", overwrite=True)["done"] == ["b.jpg"]
    assert len(names(out)) == 5
    assert {a["image_id"]: a["id"] for a in coco(out)["annotations"]}.items() >= first.items()
    assert predict([folder], out, "mask,coco")["done"] == sorted(names(out))
    for name, i in names(out).items():
        stem = name if name[0] == "x" else name.rpartition(".")[0]
        mask = load_mask(out / f"{stem}.png")
        own = [a for a in coco(out)["annotations"] if a["image_id"] == i]
        assert np.array_equal(coco_mask(own, *mask.shape), mask)


def test_what_others_put_into_our_file_stays(tmp_path: Path, predict) -> None:
    folder, out = pictures(tmp_path / "in", "a.jpg", "b.jpg"), tmp_path / "out"
    predict([folder / "a.jpg"], out, "coco")
    content = coco(out)
    content["info"]["year"] = 2026
    content["images"][0]["license"] = 3
    content["categories"].append({"id": 9, "name": "glove"})
    (out / "annotations.json").write_text(json.dumps(content))
    predict([folder], out, "coco")
    after = coco(out)
    assert after["info"]["year"] == 2026
    assert after["images"][0]["license"] == 3
    assert [c["name"] for c in after["categories"]] == ["hand", "glove"]


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2]",
        "",
        '{"info": {"description": "hand mas',
        '{"images": [], "annotations": []}',
        '{"info": {"description": "cats"}, "images": [{"id": 1, "file_name": "cat.jpg"}], "annotations": []}',
        '{"info": null, "images": [], "annotations": []}',
        '{"info": {"description": "hand masks made by handseg"}, "images": [{"id": "1"}], "annotations": []}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, predict, content: str) -> None:
    path, out = picture(tmp_path / "a.jpg"), tmp_path / "out"
    out.mkdir()
    (out / "annotations.json").write_text(content)
    before = digest(out / "annotations.json")
    with pytest.raises(DataError, match="annotations.json: not a COCO file that handseg made .*--overwrite"):
        predict([path], out, "mask,coco")
    assert digest(out / "annotations.json") == before
    assert predict([path], out, "coco", overwrite=True)["done"] == ["a.jpg"]
    assert list(names(out)) == ["a.jpg"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_annotations_that_handseg_did_not_make_stay(tmp_path: Path, predict, is_recorded: bool) -> None:
    path, out = picture(tmp_path / "a.jpg"), tmp_path / "out"
    predict([path], out, "coco")
    content = coco(out)
    content["annotations"][0]["segmentation"]["counts"] += "0"
    (out / "annotations.json").write_text(json.dumps(content))
    if not is_recorded:
        (out / ".handseg.jsonl").unlink()
    result = predict([path], out, "coco", threshold=0.5)
    assert "has other annotations of a.jpg" in result.messages[0]
    assert coco(out) == content
