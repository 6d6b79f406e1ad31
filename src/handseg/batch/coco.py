"""One COCO file for all images of an output folder, which several runs add to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from handseg.batch.lock import held
from handseg.batch.record import text_digest
from handseg.errors import DataError
from handseg.files import write_atomically
from handseg.formats import coco_dataset

MADE_BY = coco_dataset([], [])["info"]["description"]


class CocoFile:
    """The entries of images in a COCO file; what is there of other images stays as it is.

    An image keeps its id, and as many annotations' ids as it still has annotations; new ones are higher than all
    before. `add` only notes an image; `save` reads the file anew, since another run may have written to it, and puts in
    what was noted.
    Raises DataError when a file is there that handseg didn't make; `overwrite` replaces it.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self._overwrite = overwrite
        self._added: dict[str, tuple[int, int, list[dict[str, Any]]]] = {}
        content = self._read()
        names = {image["id"]: image["file_name"] for image in content["images"]}
        self._had: dict[str, list[Any]] = {name: [] for name in names.values()}
        for annotation in content["annotations"]:
            if annotation["image_id"] in names:
                self._had[names[annotation["image_id"]]].append(annotation.get("segmentation"))

    def has(self, name: str) -> bool:
        """Whether the file had an entry of this image when it was opened."""
        return name in self._had

    def digest(self, name: str) -> str:
        """A hash of what the file had of this image when it was opened."""
        return segmentations_digest(self._had.get(name, []))

    def add(
        self, name: str, size: tuple[int, int], annotations: list[dict[str, Any]], *, may_replace: bool = True
    ) -> None:
        """Note an image: its name in the file, (height, width), and its annotations, whose ids don't matter.

        Raises DataError when there are other annotations of it which may not be replaced.
        """
        if not may_replace and self._had.get(name, []) != [a["segmentation"] for a in annotations]:
            raise DataError(
                f"{self.path}: has other annotations of {name}, which were not made by handseg, or changed since; add "
                "--overwrite to replace them, or choose another output folder"
            )
        self._added[name] = (*size, annotations)

    def save(self) -> list[str]:
        """Write what was noted since the last time; returns the images' names. Raises HandsegError when it can't."""
        if not self._added:
            return []
        with held(self.path, wait=True):
            content = self._read()
            known = {image["file_name"]: image for image in content["images"]}
            last_image = max((image["id"] for image in content["images"]), default=0)
            last = max((annotation["id"] for annotation in content["annotations"]), default=0)
            replaced = {known[name]["id"] for name in self._added if name in known}
            kept = []
            free: dict[int, list[int]] = {}
            for annotation in content["annotations"]:
                if annotation["image_id"] in replaced:
                    free.setdefault(annotation["image_id"], []).append(annotation["id"])
                else:
                    kept.append(annotation)
            for name, (height, width, annotations) in self._added.items():
                if name not in known:
                    last_image += 1
                    known[name] = {"id": last_image, "file_name": name}
                    content["images"].append(known[name])
                image = known[name]
                image.update(height=height, width=width)
                ids = free.get(image["id"], [])
                for i, annotation in enumerate(annotations):
                    last += i >= len(ids)
                    own = ids[i] if i < len(ids) else last
                    kept.append({**annotation, "id": own, "image_id": image["id"]})
            text = json.dumps({**content, "annotations": kept})
            write_atomically(self.path, lambda file: file.write(text.encode()))
        self._overwrite = False  # what is there now is our own
        written = list(self._added)
        self._added = {}
        return written

    def _read(self) -> dict[str, Any]:
        """What the file holds; nothing where there is none, or one that may be replaced."""
        try:
            content = json.loads(self.path.read_text("utf-8"))
            _check(content)
        except FileNotFoundError:
            return coco_dataset([], [])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if self._overwrite:
                return coco_dataset([], [])
            raise DataError(
                f"{self.path}: not a COCO file that handseg made ({error}); move it away, or add --overwrite to "
                "replace it"
            ) from error
        return dict(content)


def segmentations_digest(segmentations: list[Any]) -> str:
    return text_digest(json.dumps(segmentations))


def _check(content: Any) -> None:
    """Raise one of several errors where `content` isn't a COCO file of ours."""
    for image in content["images"]:
        if not (isinstance(image["id"], int) and isinstance(image["file_name"], str)):
            raise ValueError(f"an image with id {image['id']!r} and name {image['file_name']!r}")
    for annotation in content["annotations"]:
        if not (isinstance(annotation["id"], int) and isinstance(annotation["image_id"], int)):
            raise ValueError(f"an annotation with id {annotation['id']!r} of image {annotation['image_id']!r}")
    if content["info"].get("description") != MADE_BY:
        raise ValueError(f"its description isn't {MADE_BY!r}")
