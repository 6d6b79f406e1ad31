"""What a user names → the images and videos that are meant, and what each is called below the output folder."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from handseg.batch.record import RECORD_FILE, Record
from handseg.errors import MissingExtraError, VideoError
from handseg.files import find_files
from handseg.image import IMAGE_SUFFIXES
from handseg.image.file import is_image
from handseg.video.animation import is_animated
from handseg.video.containers import MOTION_JPEG_SUFFIXES
from handseg.video.frame import FRAME_FILE

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".flv", ".3gp"),
        *(".ogv", *MOTION_JPEG_SUFFIXES),
    }
)


@dataclass(frozen=True)
class Input:
    """One image or video. name: its path below the output folder, as mirrored there, with its own suffix."""

    path: Path
    name: PurePosixPath
    is_video: bool


def find_inputs(inputs: Sequence[Path], output: Path) -> tuple[list[Input], list[str]]:
    """The images and videos that are meant, in order, each once; and a message for each that can't be used.

    A folder's are mirrored below the output; several folders are kept apart by their names, or by as much of their
    paths as tells them apart, and so are files of the same name. What handseg wrote is left out of a folder.
    """
    failures: list[str] = []
    once = list({os.path.realpath(path.parent / path.name): path for path in reversed(inputs)}.values())[::-1]
    folders = [path for path in once if os.path.isdir(path)]
    files = [path for path in once if path not in folders]
    labels = _labels([Path(os.path.realpath(path)) for path in folders])
    roots = {path: label if len(folders) > 1 else PurePosixPath() for path, label in zip(folders, labels)}
    names = dict(zip(files, _labels([Path(os.path.realpath(path.parent)) / path.name for path in files])))
    found: dict[str, tuple[Path, PurePosixPath]] = {}
    for path in once:
        if path in names:
            if problem := problem_of(path):
                failures.append(problem)
            else:
                found.setdefault(os.path.abspath(path), (path, names[path]))
            continue
        content = find_files(path, IMAGE_SUFFIXES | VIDEO_SUFFIXES)
        failures += content.failures
        own = OwnOutputs(output, path, content.folders)
        given = [file for file in content.files if file not in own]
        if not given and not content.failures:
            failures.append(f"{path}: no images or videos in this folder{own.hint}; name one that has some")
        for file in given:
            name = roots[path] / PurePosixPath(*file.relative_to(path).parts)
            found.setdefault(os.path.abspath(file), (file, name))
    return [Input(path, name, is_video(path)) for path, name in found.values()], failures


class OwnOutputs:
    """The files in an input folder that handseg wrote: all below an output folder that lies in it, and those of which
    some folder's record knows."""

    def __init__(self, output: Path, root: Path, folders: Sequence[Path]) -> None:
        self._output = Path(os.path.realpath(output))
        self._lies_within = self._output != Path(os.path.realpath(root))
        self._paths: set[Path] = set()
        for folder in folders:
            if (folder / RECORD_FILE).is_file():
                self._paths |= {folder / path for path in Record(folder).made}
        self._real = {folder: Path(os.path.realpath(folder)) for folder in folders}
        self.hint = ""

    def __contains__(self, file: Path) -> bool:
        whole = file.with_name(file.name.replace(".partial.", ".", 1))
        is_own = whole in self._paths or (file.parent in self._paths and FRAME_FILE.fullmatch(file.name) is not None)
        if not is_own and self._lies_within:
            real = Path(os.path.realpath(file)) if file.is_symlink() else self._real[file.parent] / file.name
            is_own = real.is_relative_to(self._output)
        if is_own:
            self.hint = " but those that handseg made"
        return is_own


def is_video(path: Path) -> bool:
    """By its suffix; a file with an unknown one (.ts, or none) is looked into. An image named .mp4 is an image, an
    animated picture is a video."""
    suffix = path.suffix.lower()
    if suffix in MOTION_JPEG_SUFFIXES or is_animated(path):
        return True
    return suffix not in IMAGE_SUFFIXES and not is_image(path) and (suffix in VIDEO_SUFFIXES or _holds_video(path))


def _holds_video(path: Path) -> bool:
    try:
        from handseg.video.reader import VideoReader

        with VideoReader(path):
            return True
    except (MissingExtraError, VideoError):
        return False
    except Exception:  # which comes again, and is said, when the file's turn comes
        return True


def problem_of(path: Path) -> str:
    """Why a file can't be read at all; it may yet turn out not to be an image."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        what = "a link that leads nowhere; mend it" if path.is_symlink() else "no such file; check the path"
        return f"{path}: {what}"
    except OSError as error:
        return f"{path}: can't be looked at ({error.strerror}); check the path and its rights"
    if not stat.S_ISREG(mode):
        return f"{path}: a pipe, socket or device, not a file; save its content first"
    return ""


def _labels(paths: Sequence[Path]) -> list[PurePosixPath]:
    """Of each path as many of its last parts as tell it from the others with the same name."""
    same: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        same[path.name].append(path)
    labels = []
    for path in paths:
        parts = path.parts[1:]
        count = 1
        while count < len(parts) and any(
            other.parts[1:][-count:] == parts[-count:] for other in same[path.name] if other != path
        ):
            count += 1
        labels.append(PurePosixPath(*parts[-count:]))
    return labels
