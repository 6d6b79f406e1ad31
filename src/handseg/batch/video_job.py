"""Do one video: segment it, and write those of its outputs that are not there as they would be made now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handseg.batch.image_job import UNSURE, Done, doubtful, why_again
from handseg.batch.lock import held
from handseg.batch.outputs import KINDS
from handseg.batch.plan import Job, Plan
from handseg.batch.record import Source, digest, settings_of
from handseg.errors import DamagedVideoError
from handseg.inference.segmenter import Segmenter
from handseg.video.frame import frame_files

if TYPE_CHECKING:
    from handseg.video.frame import VideoFrame

Progress = Callable[[Path, "Iterable[VideoFrame]", "int | None"], "Iterable[VideoFrame]"]


class VideoWork:
    """Does the videos of a plan, one after the other.

    progress: wraps the frames of a video, given its path and how many they are, if that is known.
    """

    def __init__(self, plan: Plan, segmenter: Segmenter, *, smooth: bool, progress: Progress) -> None:
        self._plan = plan
        self._segmenter = segmenter.without_second_look()
        self._smooth = smooth
        self._progress = progress
        self.settings: dict[str, Any] = {**settings_of(self._segmenter), "smooth": smooth}

    def __call__(self, job: Job) -> Done:
        """Raises HandsegError when the video can't be read or an output can't be written."""
        source = Source(job.source, self._plan.output)
        due = {kind: reason for kind in job.outputs if (reason := self._why(kind, job, source)) is not None}
        if not due:
            return Done(is_kept=True, notes=self._notes(job))
        for kind, reason in due.items():
            if reason in UNSURE and not self._plan.overwrite:
                raise doubtful(self._plan.output / job.outputs[kind], reason)
        with held(self._plan.output / job.name, wait=False):
            notes, damage = self._segment(job, source, list(due))
        reason = "; ".join(dict.fromkeys(filter(None, due.values())))
        return Done(is_kept=False, reason=reason, notes=tuple(notes), damage=damage)

    def _segment(self, job: Job, source: Source, kinds: list[str]) -> tuple[list[str], str]:
        """Returns what was left out or changed, a line each, and what is wrong with the video, "" if nothing is."""
        from handseg.batch.video import segment_video

        outputs = {kind: job.outputs[kind] for kind in kinds}
        begun = {kind: (path, "") for kind, path in outputs.items()}
        goes_on = {kind for kind, path in outputs.items() if self._goes_on(kind, path, source)}
        notes: list[str] = []
        damage = ""
        try:
            segment_video(
                self._segmenter,
                job.source,
                {kind: self._plan.output / path for kind, path in outputs.items()},
                smooth=self._smooth,
                goes_on=goes_on,
                # Noted as it begins, so that what is left of it when it is interrupted is known for what it is.
                begun=lambda: self._plan.note(begun, source, job.name, self.settings),
                progress=lambda frames, count: self._progress(job.source, frames, count),
                note=notes.append,
                style=self._plan.style,
            )
        except DamagedVideoError as error:  # the outputs are as whole as they can be
            damage = str(error)
        source.check()
        self._note_written(outputs, source, job.name, damage)
        return notes, damage

    def _note_written(self, outputs: dict[str, str], source: Source, name: str, note: str) -> None:
        written = {kind: (path, digest(self._plan.output / path)) for kind, path in outputs.items()}
        self._plan.note(written, source, name, self.settings, note=note)

    def _why(self, kind: str, job: Job, source: Source) -> str | None:
        """Why an output is to be written, in words, "" where none of it is there; None: it is there as it should be."""
        from handseg.batch.video import is_whole

        path = self._plan.output / job.outputs[kind]
        if not (frame_files(path) if KINDS[kind].frames else os.path.exists(path)):
            return ""
        reason = why_again(self._plan, kind, job.outputs[kind], source, self.settings, partial(digest, path))
        return "it isn't whole" if reason is None and not is_whole(kind, path) else reason

    def _goes_on(self, kind: str, path: str, source: Source) -> bool:
        """Whether what there is of an output was begun with this video and these settings."""
        made = self._plan.record.made.get(path)
        return (
            not self._plan.overwrite
            and made is not None
            and self._plan.record.is_of(made, source)
            and made.settings == self._plan.settings(kind, self.settings)
        )

    def _notes(self, job: Job) -> tuple[str, ...]:
        """What was wrong with the video when it was done."""
        notes = [made.note for path in job.outputs.values() if (made := self._plan.record.made.get(path)) is not None]
        return tuple(dict.fromkeys(filter(None, notes)))
