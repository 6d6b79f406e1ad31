"""Inputs → jobs: where each output goes, so that none takes the place of another, or of a file that isn't handseg's."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from handseg.batch.inputs import Input, find_inputs
from handseg.batch.outputs import COCO_FILE, IMAGE_KINDS, KINDS, VIDEO_KINDS
from handseg.batch.record import RECORD_FILE, Made, Record, Source, source_key
from handseg.batch.style import PLAIN, Style
from handseg.errors import HandsegError


@dataclass(frozen=True)
class Job:
    """One image or video to do. name: its path as mirrored below the output folder. outputs: kind → path below the
    output folder, as the record has it."""

    source: Path
    name: str
    is_video: bool
    outputs: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what can't be. output: the folder. failures: a message each. style: of all pictures."""

    output: Path
    kinds: tuple[str, ...]
    overwrite: bool
    record: Record
    jobs: list[Job]
    failures: list[str]
    style: Style = PLAIN

    def settings(self, kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """All that an output of a kind depends on, given what the masks do."""
        return {**settings, **self.style.settings(kind)}

    def note(
        self,
        outputs: Mapping[str, tuple[str, str]],
        source: Source,
        name: str,
        settings: Mapping[str, Any],
        *,
        note: str = "",
    ) -> None:
        """Put outputs, kind → (path, digest), into the record. settings: of the masks; see `Record.add`."""
        alike: list[tuple[dict[str, Any], dict[str, tuple[str, str]]]] = []
        for kind, made in outputs.items():
            own = self.settings(kind, settings)
            group = next((members for other, members in alike if other == own), None)
            if group is None:
                alike.append((own, {kind: made}))
            else:
                group[kind] = made
        for own, members in alike:
            self.record.add(members, source, name, own, note=note)


def plan_jobs(
    inputs: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    kinds: Sequence[str] = ("mask",),
    *,
    overwrite: bool = False,
    style: Style = PLAIN,
) -> Plan:
    """Decide what is read and where it is written; nothing is written yet.

    kinds: of KINDS. overwrite: make again what is there already, and replace what is there of other files. style: how
    pictures are drawn and stored.

    An output is called by its input's name without suffix. Inputs of equal names keep their suffixes in those of their
    outputs (`a.jpg` and `a.png` become `a.jpg.png` and `a.png.png`), and so does an output that would take the place of
    another one: the overlay of `a.jpg` beside `a_overlay.jpg`. A folder beside a video of its name is mirrored as
    `<name>_images`, since the video's masks have `<name>`. What an earlier run called otherwise keeps its name. What
    still shares an output, or would replace an input, is left out, with a message. Of a video or an image that has no
    output of some kind the others are made.
    Raises HandsegError for an unknown kind, and for an output folder that is a file.
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise HandsegError(f"output kind {unknown[0]!r}: unknown; choose from {', '.join(KINDS)}")
    output = Path(output)
    _check_folder(output)
    found, failures = find_inputs([Path(path) for path in inputs], output)
    record = Record(output)
    names = Names(found, output, record, overwrite, style)
    jobs = []
    for item in found:
        of, known = ("a video", VIDEO_KINDS) if item.is_video else ("an image", IMAGE_KINDS)
        wanted = [kind for kind in dict.fromkeys(kinds) if kind in known]
        if lacking := [kind for kind in dict.fromkeys(kinds) if kind not in known]:
            rest = "the other kinds are made" if wanted else f"choose from {', '.join(known)}"
            failures.append(f"{item.path}: no {' or '.join(lacking)} of {of}; {rest}")
        if not wanted:
            continue
        try:
            if style.crop and item.is_video:
                raise HandsegError("a video isn't cropped, as its frames would differ in size; leave out --crop")
            outputs = {kind: names.path(item, kind) for kind in wanted}
        except HandsegError as error:
            failures.append(f"{item.path}: {error}")
            continue
        jobs.append(Job(item.path, str(item.name), item.is_video, outputs))
    return Plan(output, tuple(dict.fromkeys(kinds)), overwrite, record, jobs, failures, style)


def _check_folder(output: Path) -> None:
    """Raise HandsegError where a file is in the way: else that would be said of each image, after it was segmented."""
    for place in (output, *output.parents):
        if os.path.lexists(place):
            if not os.path.isdir(place):
                raise HandsegError(f"{output}: {place} is a file, not a folder; name a folder for the outputs")
            return


class Names:
    """Gives every output of every input a path of its own.

    All kinds are given one, asked for or not, so that a name doesn't depend on what else is asked for.
    """

    def __init__(
        self, found: Sequence[Input], output: Path, record: Record, overwrite: bool, style: Style = PLAIN
    ) -> None:
        self._style = style
        self._output = output
        self._record = record
        self._overwrite = overwrite
        self._sources = {item: source_key(item.path, output) for item in found}
        self._made_of = record.by_source()
        self._key = _key_for([str(item.name.with_suffix("")) for item in found], output)
        self._inputs = {self._key(key): item for item, key in self._sources.items()}
        self._input_folders = {str(parent) for key in self._inputs for parent in PurePosixPath(key).parents}
        stems = self._stems(found)
        self._folders = {self._key(str(parent)) for stem in stems.values() for parent in stem.parents}
        self._taken: dict[str, str] = {self._key(COCO_FILE): "the COCO file", self._key(RECORD_FILE): "the record"}
        self._paths: dict[tuple[Input, str], str | HandsegError] = {}
        for kind in KINDS:
            for item, stem in stems.items():
                if kind != "coco":
                    self._assign(item, kind, stem)

    def path(self, item: Input, kind: str) -> str:
        """Where an output of a kind that the input has goes, below the output folder.

        Raises HandsegError where it can't be written.
        """
        if kind == "coco":
            path: str | HandsegError = f"{COCO_FILE}#{item.name}"
            blocked = self._held_by_another(str(path), item)
            if blocked is not None:
                raise self._is_of(blocked, f"the entry of {item.name} in {COCO_FILE}", item)
        else:
            path = self._paths[item, kind]
        if isinstance(path, HandsegError):
            raise path
        return path

    def _stems(self, found: Sequence[Input]) -> dict[Input, PurePosixPath]:
        """The common part of the names of each input's outputs: its name without the suffix, or all of it."""
        stems: dict[Input, PurePosixPath] = {}
        fixed = set()
        written_to = self._record.folders()
        for item in found:
            short = item.name.with_suffix("")
            stems[item] = short
            made = self._made_of.get((self._sources[item], "mask"))
            suffix = KINDS["mask"].video if item.is_video else KINDS["mask"].image
            if made in (f"{short}{suffix}", f"{item.name}{suffix}"):
                stems[item] = short if made == f"{short}{suffix}" else item.name
                fixed.add(item)
            elif item.is_video and (str(short) in written_to or self._holds_inputs(str(short))):
                stems[item] = item.name
                fixed.add(item)
            elif self._held_by_another(f"{short}{suffix}", item) is not None and not self._is_another_of_that_name(
                f"{short}{suffix}", item
            ):
                stems[item] = item.name
        self._tell_apart(stems, fixed)
        return self._beside_videos(stems)

    def _tell_apart(self, stems: dict[Input, PurePosixPath], fixed: set[Input]) -> None:
        """Where several inputs share a stem, give those whose stem isn't fixed their whole names."""
        is_moving = True
        while is_moving:
            is_moving = False
            sharing = defaultdict(list)
            for item, stem in stems.items():
                sharing[self._key(str(stem))].append(item)
            for items in sharing.values():
                for item in items if len(items) > 1 else ():
                    if item not in fixed and stems[item] != item.name:
                        stems[item] = item.name
                        is_moving = True

    def _beside_videos(self, stems: dict[Input, PurePosixPath]) -> dict[Input, PurePosixPath]:
        """The stems, those in the folder of a video's masks moved to a folder beside it."""
        folders = {str(parent) for stem in stems.values() for parent in stem.parents}
        videos = {str(stem) for item, stem in stems.items() if item.is_video} | (folders & self._record.made.keys())
        if not videos:
            return stems
        moved = {}
        for item, stem in stems.items():
            parts: list[str] = []
            for part in stem.parts[:-1]:
                parts.append(part)
                if "/".join(parts) in videos:
                    parts[-1] += "_images"
                    while "/".join(parts) in folders | videos:
                        parts[-1] += "_"
            moved[item] = PurePosixPath(*parts, stem.name)
        return moved

    def _assign(self, item: Input, kind: str, stem: PurePosixPath) -> None:
        """Give one output the first of its names that nothing else has."""
        suffix = KINDS[kind].suffix(self._style, is_video=item.is_video)
        if suffix is None:
            return
        names = dict.fromkeys([f"{stem}{suffix}", f"{stem.with_name(item.name.name)}{suffix}"])
        made = self._made_of.get((self._sources[item], kind))
        if made in names:
            names = dict.fromkeys([made, *names])
        for name in names:
            problem = self._problem(name, item)
            if problem is None:
                self._taken[self._key(name)] = str(item.path)
                self._paths[item, kind] = name
                return
            self._paths.setdefault((item, kind), problem)
            if self._inputs.get(self._key(name)) == item or self._is_another_of_that_name(name, item):
                return

    def _problem(self, path: str, item: Input) -> HandsegError | None:
        """Why a path can't be an output of an input."""
        key = self._key(path)
        if self._inputs.get(key) == item:
            return HandsegError(f"its own output {path} would replace it; choose another output folder")
        if key in self._inputs:
            return HandsegError(f"its output {path} is itself an input; choose another output folder")
        if key in self._taken:
            return HandsegError(f"another input has the same output {path} ({self._taken[key]}); run them apart")
        if key in self._folders or self._holds_inputs(path):
            return HandsegError(
                f"its output {path} is a folder of other outputs or inputs; choose another output folder"
            )
        made = self._held_by_another(path, item)
        return None if made is None else self._is_of(made, path, item)

    def _held_by_another(self, path: str, item: Input) -> Made | None:
        """How a path was made, if of another file that is still there.

        A file with the same name that holds the same is no other one, and may be overwritten where the user says so.
        """
        made = self._record.made.get(path)
        if made is None or made.source == self._sources[item] or not self._record.is_there(made):
            return None
        if made.name != str(item.name):
            return made
        try:
            is_same = self._overwrite or self._record.is_of(made, Source(item.path, self._output))
        except HandsegError:  # it can't be read, which is said when its turn comes
            return made
        return None if is_same else made

    def _is_of(self, made: Made, what: str, item: Input) -> HandsegError:
        source = os.path.normpath(self._output / made.source)
        remedy = ", or add --overwrite to replace it" if made.name == str(item.name) else ""
        return HandsegError(f"{what} there is of {source}; choose another output folder{remedy}")

    def _is_another_of_that_name(self, path: str, item: Input) -> bool:
        made = self._held_by_another(path, item)
        return made is not None and made.name == str(item.name)

    def _holds_inputs(self, folder: str) -> bool:
        """Whether a folder below the output folder is one that inputs lie in."""
        return self._key(folder) in self._input_folders


def _key_for(names: Sequence[str], output: Path) -> Callable[[str], str]:
    """What two paths share that are one file: themselves, or, where the output folder's file system makes no difference
    between upper and lower case or between the two ways to write an accent, what is left without."""

    def fold(path: str) -> str:
        return unicodedata.normalize("NFC", path).casefold()

    if len({fold(name) for name in names}) == len(set(names)) or not _ignores_case(output):
        return str
    return fold


def _ignores_case(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".handseg-case") as file:
            name = Path(file.name)
            return name.with_name(name.name.swapcase()).exists()
    except OSError:  # not to be written to, as every job will say
        return False
