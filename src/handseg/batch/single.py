"""One file in, one file out: an image or a video, stdin and stdout included, to a file that the user has named."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handseg.batch.inputs import VIDEO_SUFFIXES, is_video, problem_of
from handseg.batch.outputs import IMAGE_KINDS, KINDS, VIDEO_KINDS, Segmented
from handseg.batch.style import Style
from handseg.batch.video_job import Progress
from handseg.errors import HandsegError
from handseg.image import IMAGE_SUFFIXES, WRITTEN, decode_image, load_image
from handseg.inference.segmenter import Segmenter

if TYPE_CHECKING:
    from handseg.masks.result import HandMask

STDIO = Path("-")
STDIN = Path("stdin")  # what its image is called in messages and outputs
NAMED = IMAGE_SUFFIXES | VIDEO_SUFFIXES | {".json", ".jsonl", ".txt"}
# What a suffix asks for where no kind is named; of others the mask.
BY_SUFFIX = {
    ".json": "json",
    ".jsonl": "json",
    ".txt": "yolo",
    ".mp4": "overlay",
    ".webm": "cutout",
    ".mov": "cutout-prores",
}


def is_single(inputs: Sequence[Path], output: Path) -> bool:
    """Whether one file is meant: one of the two is `-`, or the output has a file's suffix and isn't a folder."""
    return STDIO in (*inputs, output) or (output.suffix.lower() in NAMED and not output.is_dir())


@dataclass(frozen=True)
class Single:
    """source: a file, or STDIO. output: a file, or STDIO. kind: of KINDS."""

    source: Path
    output: Path
    kind: str
    is_video: bool
    style: Style

    @classmethod
    def plan(
        cls, inputs: Sequence[Path], output: Path, kinds: Sequence[str], style: Style, *, overwrite: bool = False
    ) -> Single:
        """kinds: () for what the output's suffix asks for. Nothing is read yet.

        Raises HandsegError where it can't be done.
        """
        if len(inputs) != 1 or inputs[0].is_dir():
            which = (
                "stdin stands alone" if STDIO in inputs else f"{output}: one file can't hold several inputs' outputs"
            )
            raise HandsegError(f"{which}; name one input, or a folder for the outputs: -o DIR")
        (source,) = inputs
        if source == STDIO and output != STDIO and output.suffix.lower() not in NAMED:
            raise HandsegError(f"{output}: what comes from stdin has no name; name a file, as -o mask.png, or -o -")
        if source != STDIO and (problem := problem_of(source)):
            raise HandsegError(problem)
        film = source != STDIO and is_video(source)
        if len(kinds) > 1:
            raise HandsegError(f"{output}: one file holds one of {', '.join(kinds)}; choose one, or name a folder")
        kind = kinds[0] if kinds else BY_SUFFIX.get(output.suffix.lower(), "mask")
        single = cls(source, output, kind, film, style)
        single._check_suffix()
        if output == STDIO:
            return single
        if output.exists() and source != STDIO and output.samefile(source):
            raise HandsegError(f"{source}: its own output would replace it; choose another name")
        if output.exists() and not overwrite:
            raise HandsegError(f"{output}: is there already; add --overwrite to replace it, or choose another name")
        return single

    @property
    def suffix(self) -> str:
        """What decides the format: the output's, or on stdout what the kind and the style ask for."""
        if self.output != STDIO:
            return self.output.suffix.lower()
        return Path("x" + (KINDS[self.kind].suffix(self.style, is_video=self.is_video) or "")).suffix

    def run(
        self, segmenter: Segmenter, *, smooth: bool = True, progress: Progress, note: Callable[[str], object]
    ) -> str:
        """Returns what was found, in words.

        Raises HandsegError when the input can't be read or the output can't be written.
        """
        if self.is_video:
            from handseg.batch.video import segment_video

            frames = segment_video(
                segmenter.without_second_look(),
                self.source,
                {self.kind: self.output},
                smooth=smooth,
                progress=lambda frames, count: progress(self.source, frames, count),
                note=note,
                style=self.style,
            )
            return f"{frames} frames"
        if self.source == STDIO:
            name, image = STDIN, decode_image(sys.stdin.buffer.read(), str(STDIN))
        else:
            name, image = self.source, load_image(self.source)
        result: HandMask = segmenter(image)
        if self.style.crop and not result.hands:
            note(f"{name}: no hands found, so not cropped")
        segmented = Segmented(name, image, result, segmenter, self.style)
        count = len(result.hands)
        found = "no hand" if not count else f"{count} hand{'s' * (count > 1)}"
        if self.output != STDIO:
            KINDS[self.kind].save(self.output, segmented, self.output)
            return found
        with tempfile.TemporaryDirectory(prefix="handseg-") as folder:
            path = Path(folder) / f"out{self.suffix}"
            KINDS[self.kind].save(path, segmented, Path(path.name))
            sys.stdout.buffer.write(path.read_bytes())
            sys.stdout.buffer.flush()
        return found

    def _check_suffix(self) -> None:
        """Raises HandsegError where the output's format can't hold what is asked for."""
        kind = KINDS[self.kind]
        of, known = ("a video", VIDEO_KINDS) if self.is_video else ("an image", IMAGE_KINDS)
        if self.kind not in known:
            raise HandsegError(f"{self.source}: no {self.kind} of {of}; choose from {', '.join(known)}")
        if self.kind == "coco" or (self.is_video and kind.frames):
            what = "is one file for many images" if self.kind == "coco" else "is a folder of pictures, of a video"
            raise HandsegError(f"{self.output}: {self.kind} {what}; name a folder, or another kind with --save")
        if self.is_video and (self.output == STDIO or self.style.crop):
            raise HandsegError(
                f"{self.source}: a video isn't written to stdout; name a file"
                if self.output == STDIO
                else f"{self.source}: a video isn't cropped, as its frames would differ in size; leave out --crop"
            )
        usual = Path("x" + ((kind.video if self.is_video else kind.image) or "")).suffix
        suffixes = [usual]
        if not self.is_video and kind.draw is not None:
            suffixes = [s for s in WRITTEN if WRITTEN[s][0] != "JPEG" or not (kind.holds_values or kind.has_alpha)]
        if self.suffix in suffixes:
            return
        remedy = f"name a file with {' or '.join(suffixes)}"
        if WRITTEN.get(self.suffix, ("", 0))[0] == "JPEG" and not self.is_video:
            if kind.has_alpha:
                raise HandsegError(
                    f"{self.output}: JPEG has no transparency; {remedy}, or add a background: --background white"
                )
            if kind.holds_values:
                raise HandsegError(
                    f"{self.output}: JPEG would change the values of a {self.kind}; {remedy}, or ask for a picture, as "
                    "--save overlay"
                )
        raise HandsegError(f"{self.output}: {self.kind} of {of} isn't written as {self.suffix or 'that'}; {remedy}")
