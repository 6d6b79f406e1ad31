"""Do the jobs of a plan, one bad file never in the way of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from handseg.batch.coco import CocoFile, segmentations_digest
from handseg.batch.image_job import Done, ImageWork
from handseg.batch.outputs import COCO_FILE
from handseg.batch.plan import Job, Plan
from handseg.batch.record import Source
from handseg.batch.video_job import Progress, VideoWork
from handseg.errors import HandsegError
from handseg.inference.segmenter import Segmenter
from handseg.parallel import cores, in_order

if TYPE_CHECKING:
    from handseg.video.frame import VideoFrame

SAVE_EVERY = 30.0  # seconds

State = Literal["done", "kept", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file. state: "kept": all was there as it would be made now.

    message: of "failed" what is wrong, with the file's name; of "done" why it was done again, if it was; else "".
    notes: a line each of what else is to be said, as what was wrong with a video when it was done.
    """

    source: Path
    state: State
    message: str = ""
    notes: tuple[str, ...] = ()


def _unwatched(_path: Path, frames: Iterable[VideoFrame], _count: int | None) -> Iterable[VideoFrame]:
    return frames


def run_jobs(
    plan: Plan,
    segmenter: Segmenter,
    *,
    open_single: Callable[[], Segmenter] | None = None,
    threads: int | None = None,
    smooth: bool = True,
    progress: Progress = _unwatched,
) -> Generator[Outcome, None, None]:
    """Yields the outcome of each job, in order, images before videos; those that failed in the plan aren't among them.

    Whatever a file raises is an outcome. Left early, by an error, Ctrl-C or `close()`, what is under way is finished
    and noted. Results don't depend on `threads`.

    open_single: makes a segmenter whose engine has one thread, for several images at a time, which gain more from
    that than from several threads for one image after the other. threads: images at a time; default: all cores.
    smooth: steady the masks of a video. progress: wraps the frames of each video, given its path and their number.
    Raises DataError when a COCO file is asked for and the one that is there isn't handseg's.
    """
    images = [job for job in plan.jobs if not job.is_video]
    videos = [job for job in plan.jobs if job.is_video]
    coco = CocoFile(plan.output / COCO_FILE, overwrite=plan.overwrite) if "coco" in plan.kinds and images else None
    workers = max(1, min(threads or cores(), len(images)))
    takes_turns = workers > 1 and open_single is not None and segmenter.engine.name == "onnxruntime"
    work = ImageWork(plan, open_single() if takes_turns and open_single is not None else segmenter, coco)
    collection = Collection(plan, work, coco)
    saved = None
    try:
        with closing(in_order(work, images, workers)) as under_way:
            for job, future in under_way:
                yield _outcome(job.source, partial(collection.take, job, future))
    finally:
        saved = _outcome(plan.output / COCO_FILE, collection.save)
    if saved.state == "failed":
        yield saved
    if videos:
        film = VideoWork(plan, segmenter, smooth=smooth, progress=progress)
        for job in videos:
            yield _outcome(job.source, partial(film, job))


class Collection:
    """Puts the images of a plan into its COCO file, where one is asked for: at the end, and now and then before."""

    def __init__(self, plan: Plan, work: ImageWork, coco: CocoFile | None) -> None:
        self._record = plan.record
        self._settings = work.settings
        self._coco = coco
        self._waiting: dict[str, tuple[tuple[str, str], Source]] = {}
        self._next = time.monotonic() + SAVE_EVERY

    def take(self, job: Job, future: Future[Done]) -> Done:
        """What became of an image, once that is known; raises what it raised."""
        done = future.result()
        entry = done.coco
        if self._coco is not None and entry is not None:
            self._coco.add(job.name, entry.size, entry.annotations, may_replace=entry.may_replace)
            digest = segmentations_digest([annotation["segmentation"] for annotation in entry.annotations])
            self._waiting[job.name] = (job.outputs["coco"], digest), entry.source
            if time.monotonic() > self._next:
                self.save()
        return done

    def save(self) -> Done:
        """Write the COCO file, and note then that the images are in it. Raises HandsegError when it can't."""
        if self._coco is not None:
            start = time.monotonic()
            for name in self._coco.save():
                output, source = self._waiting.pop(name)
                self._record.add({"coco": output}, source, name, self._settings)
            # A file of many images takes long to write: at most a twentieth of the time goes into that.
            self._next = time.monotonic() + max(SAVE_EVERY, 20 * (time.monotonic() - start))
        return Done(is_kept=True)


def _outcome(source: Path, work: Callable[[], Done]) -> Outcome:
    """What became of a file; whatever it raises is said in one line."""
    try:
        done = work()
    except HandsegError as error:
        message = str(error) if str(source) in str(error) else f"{source}: {error}"
        return Outcome(source, "failed", message)
    except Exception as error:
        said = " ".join(str(error).split())
        message = f"{source}: an error that handseg doesn't know ({type(error).__name__}: {said}); please report it"
        return Outcome(source, "failed", message)
    if done.damage:
        return Outcome(source, "failed", done.damage, done.notes)
    return Outcome(source, "kept" if done.is_kept else "done", done.reason, done.notes)
