"""Which images belong together: video and session of a file, by its name, its folder, or a rule that is given.

Images of one session look alike, so none may lie on two sides of a split.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from handseg.data.egohands import session_of
from handseg.data.sample import Sample
from handseg.errors import DataError

# How the datasets that handseg knows name their files.
EGOHANDS_NAME = re.compile(r"(?P<video>[A-Z]+_[A-Z]+_[A-Z]_[A-Z])_frame_\d+")
KNOWN_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:train|test)_(?P<video>\d+)_\d+",  # UTG and YHG, Cai et al., CVPR 2020
        r".*_(?P<video>hgr\w+_id\d+)_\d+",  # HGR, Kawulok et al.: one subject, one session
        r"(?P<video>hgr\d\w*id\d+)_\w+",  # HGR with the subject first
        r"(?P<video>(?P<session>p\d+)s\d+)_\d+",  # person, recording, number
    )
)
SUBSETS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})  # folders that aren't clips
RULES = "`folder`, `folder:N`, `column:NAME` or a regular expression with a group, as 'clip(\\d+)_'"


@dataclass(frozen=True)
class GroupRule:
    """How a session is told, where a user says so.

    text: as it was given, see `parse`. depth: of `folder`, how many folders below images/ count; 0 for all.
    column: of the index.csv. pattern: searched for in the path below images/, without the suffix.
    """

    text: str
    depth: int = 0
    column: str = ""
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, text: str) -> GroupRule:
        """`folder`: the folder below images/ that holds the image; `folder:N`: the first N folders only;
        `column:NAME`: a column of index.csv; else a regular expression whose group `session`, or else all of whose
        groups, are the session.

        Raises DataError where it is none of these.
        """
        kind, _, value = text.partition(":")
        if text == "folder":
            return cls(text)
        if kind == "folder" and value.isdigit() and int(value) > 0:
            return cls(text, depth=int(value))
        if kind == "column" and value:
            return cls(text, column=value)
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise DataError(f"{text!r}: no rule to group images by ({error}); use {RULES}") from error
        if not pattern.groups:
            raise DataError(f"{text!r}: no rule to group images by; use {RULES}")
        return cls(text, pattern=pattern)

    def __call__(self, relative: PurePosixPath, row: Mapping[str, str] | None) -> str:
        """The group of an image, by its path below images/ and its row in index.csv.

        Raises DataError where the rule doesn't fit the image.
        """
        group: str | None
        if self.column:
            if row is None:
                raise DataError(f"to be grouped by {self.text}, but the dataset has no index.csv; use another rule")
            group, what = row.get(self.column), f"no {self.column} in index.csv"
        elif self.pattern is not None:
            match = self.pattern.search(relative.with_suffix("").as_posix())
            named = "session" in self.pattern.groupindex
            group = match and (match["session"] if named else "_".join(g for g in match.groups() if g))
            what = f"{self.text!r} doesn't fit its name"
        else:
            folders = relative.parts[:-1]
            group = "/".join(folders[: self.depth or None]) if len(folders) >= max(1, self.depth) else ""
            what = f"lies in too few folders for {self.text}"
        if not group:
            raise DataError(f"can't be grouped: {what}; mend it, or use another rule")
        return group


def name_datasets(roots: Iterable[str | Path]) -> dict[Path, str]:
    """Root → the dataset's name, which videos and sessions begin with: the folder's, with as many of those above it as
    tell it from the others.

    Raises DataError where one folder is named twice.
    """
    given = [Path(root) for root in roots]
    resolved = [Path(os.path.realpath(root)) for root in given]
    counts = Counter(resolved)
    if twice := [root for root, path in zip(given, resolved) if counts[path] > 1]:
        raise DataError(f"{twice[0]} and {twice[1]} are the same folder; name it once")
    names = {}
    for root, path in zip(given, resolved):
        parts = 1
        while parts < len(path.parts) and any(
            other != path and other.parts[-parts:] == path.parts[-parts:] for other in resolved
        ):
            parts += 1
        names[root] = "/".join(path.parts[-parts:])
    return names


def identify(relatives: Sequence[PurePosixPath], dataset: str) -> list[tuple[str, str]]:
    """Video and session of each image of a dataset, by its path below images/, where no rule is given.

    Names of known datasets come first. Else the folder is the video, and the first of its parts in which the dataset's
    folders differ the session: of subject1/clip2 it is subject1, where there are more subjects, since one person's
    clips look alike. An image in no folder is on its own. Folders called train or test are none of these.
    """
    folders = [tuple(part for part in path.parts[:-1] if part.lower() not in SUBSETS) for path in relatives]
    common = _common([folder for folder in folders if folder])
    result = []
    for path, folder in zip(relatives, folders):
        stem = path.with_suffix("").name
        if match := EGOHANDS_NAME.fullmatch(stem):
            result.append((match["video"], session_of(match["video"])))
        elif match := next((m for p in KNOWN_NAMES if (m := p.fullmatch(stem))), None):
            session = match.groupdict().get("session") or match["video"]
            result.append((f"{dataset}:{match['video']}", f"{dataset}:{session}"))
        elif folder:
            result.append((f"{dataset}:{'/'.join(folder)}", f"{dataset}:{'/'.join(folder[: common + 1])}"))
        else:
            own = f"{dataset}:{path.with_suffix('').as_posix()}"
            result.append((own, own))
    return result


def _common(folders: Sequence[tuple[str, ...]]) -> int:
    """How many parts all of them begin with."""
    count = 0
    for parts in zip(*folders):
        if len(set(parts)) > 1:
            break
        count += 1
    return count


def with_unique_names(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, each name with its dataset's before it where another dataset has the same."""
    datasets = defaultdict(set)
    for sample in samples:
        datasets[sample.name].add(sample.dataset)
    return [replace(s, name=f"{s.dataset}:{s.name}") if len(datasets[s.name]) > 1 else s for s in samples]


def alone(samples: Sequence[Sample]) -> list[str]:
    """A line for each dataset in which every image is taken for a session of its own."""
    sessions = defaultdict(list)
    for sample in samples:
        sessions[sample.dataset].append(sample.session)
    return [
        f"{dataset}: each of its {len(own)} images is taken for a session of its own; "
        "if some belong together, as frames of one clip do, say so with --group-by"
        for dataset, own in sessions.items()
        if len(own) > 1 and len(set(own)) == len(own)
    ]
