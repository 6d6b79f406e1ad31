"""Do one image: segment it, and write those of its outputs that are not there as they would be made now."""

from __future__ import annotations

import filecmp
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from handseg import formats
from handseg.batch.coco import CocoFile
from handseg.batch.outputs import KINDS, Kind, Segmented
from handseg.batch.plan import Job, Plan
from handseg.batch.record import EDITED, NO_RECORD, Made, Source, digest, settings_of
from handseg.errors import HandsegError
from handseg.image import file as image_file
from handseg.image import load_image
from handseg.inference.segmenter import Segmenter
from handseg.parallel import Room

MOST_PIXELS = 64e6  # of the images that are worked on at a time; each takes some 20 bytes a pixel
UNSURE = (NO_RECORD, EDITED)  # reasons to make an output again, but not to replace it unasked


@dataclass(frozen=True)
class CocoEntry:
    """An image's annotations for a COCO file. size: (height, width). may_replace: what the file has of it."""

    source: Source
    size: tuple[int, int]
    annotations: list[dict[str, Any]]
    may_replace: bool


@dataclass(frozen=True)
class Done:
    """is_kept: all was there. reason: why it was done again, "" for the first time. notes: what else is to be said.
    coco: its entry, if asked for. damage: what is wrong with a file whose outputs are as whole as they can be."""

    is_kept: bool
    reason: str = ""
    notes: tuple[str, ...] = ()
    coco: CocoEntry | None = None
    damage: str = ""


class ImageWork:
    """Does the images of a plan, in any number of threads."""

    def __init__(self, plan: Plan, segmenter: Segmenter, coco: CocoFile | None) -> None:
        self._plan = plan
        self._segmenter = segmenter
        self._coco = coco
        self.settings = settings_of(segmenter)
        self._room = Room(MOST_PIXELS)

    def __call__(self, job: Job) -> Done:
        """Raises HandsegError when the image can't be read or an output can't be written."""
        source = Source(job.source, self._plan.output)
        due = {kind: reason for kind in job.outputs if (reason := self._why(kind, job, source)) is not None}
        if not due:
            self._refresh(job, source)
            return Done(is_kept=True)
        with self._room.taken(pixels_of(job.source)):
            return self._segment(job, source, due)

    def _segment(self, job: Job, source: Source, due: dict[str, str]) -> Done:
        """due: the outputs to be written, and why (`_why`)."""
        image = load_image(job.source)
        result = self._segmenter(image)
        segmented = Segmented(job.source, image, result, self._segmenter, self._plan.style)
        unknown = {kind for kind, reason in due.items() if reason in UNSURE and not self._plan.overwrite}
        files = sorted(due.keys() - {"coco"}, key=lambda kind: kind not in unknown)  # what may be refused comes first
        for kind in files:
            _write(KINDS[kind], segmented, self._plan.output / job.outputs[kind], due[kind] if kind in unknown else "")
        source.check()
        if files:
            written = {kind: (job.outputs[kind], digest(self._plan.output / job.outputs[kind])) for kind in files}
            self._plan.note(written, source, job.name, self.settings)
        entry = None
        if "coco" in due:
            hands = result.instances
            annotations = formats.coco_annotations(hands, 0, 0, use_rle=True)
            entry = CocoEntry(source, (hands.height, hands.width), annotations, "coco" not in unknown)
        notes: tuple[str, ...] = ()
        if self._plan.style.crop and not result.hands:
            notes = (f"{job.source}: no hands found, so not cropped",)
        reason = "; ".join(dict.fromkeys(filter(None, due.values())))
        return Done(is_kept=False, reason=reason, notes=notes, coco=entry)

    def _why(self, kind: str, job: Job, source: Source) -> str | None:
        """Why an output is to be written, in words, "" where it isn't there; None: it is there as it should be."""
        path = job.outputs[kind]
        if kind == "coco":
            if self._coco is None or not self._coco.has(job.name):
                return ""
            return why_again(self._plan, kind, path, source, self.settings, partial(self._coco.digest, job.name))
        place = self._plan.output / path
        if not os.path.exists(place):
            return ""
        return why_again(self._plan, kind, path, source, self.settings, partial(digest, place))

    def _refresh(self, job: Job, source: Source) -> None:
        """Note where the file is and since when, so that it needn't be read the next time."""
        stale = {}
        for kind, path in job.outputs.items():
            made: Made | None = self._plan.record.made.get(path)
            if made is not None and (made.source != source.key or made.status != source.status):
                stale[kind] = path, made.digest
        if stale:
            with suppress(HandsegError):  # in a folder that may only be read it just takes longer
                self._plan.note(stale, source, job.name, self.settings)


def pixels_of(path: Path) -> int:
    """How many an image has, by its header; 0 where that can't be read, which is said when it is loaded."""
    try:
        return image_file.read(path, lambda image: image.height * image.width)
    except HandsegError:
        return 0


def why_again(
    plan: Plan, kind: str, path: str, source: Source, settings: dict[str, Any], digest_now: Callable[[], str]
) -> str | None:
    """Why an output that is there is made again, in words; None: it isn't. One of UNSURE: it may be the user's own."""
    difference = plan.record.difference(path, kind, source, plan.settings(kind, settings))
    if difference is None and plan.overwrite:
        return ""
    made = plan.record.made.get(path)
    if difference is None and KINDS[kind].names_place and made is not None and made.source != source.key:
        difference = "its image has moved"
    if difference is not None and made is not None and made.digest not in ("", digest_now()):
        return EDITED
    return difference


def _write(kind: Kind, segmented: Segmented, path: Path, doubt: str) -> None:
    """Write an output. doubt: why one that is there may be the user's own; it must be the same already."""
    if not doubt or not os.path.exists(path):
        kind.save(path, segmented, path)
        return
    with tempfile.TemporaryDirectory(prefix="handseg-") as folder:
        trial = Path(folder) / "trial"
        kind.save(trial, segmented, path)
        if not filecmp.cmp(trial, path, shallow=False):
            raise doubtful(path, doubt)


def doubtful(path: Path, doubt: str) -> HandsegError:
    """What is said of an output that is there and may be the user's own. doubt: one of UNSURE."""
    return HandsegError(
        f"{path}: {doubt}, and not what would be written now; add --overwrite to replace it, or choose another "
        "output folder"
    )
