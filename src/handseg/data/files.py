"""Which files of a folder belong to a dataset: what systems and editors leave behind doesn't."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath

from handseg.errors import DataError
from handseg.files import is_junk
from handseg.image import IMAGE_SUFFIXES

JUNK_FILES = frozenset({"thumbs.db", "desktop.ini"})  # beside what `files.is_junk` knows
UNFINISHED = "unfinished.txt"  # beside what a preparation has not, or not yet, brought to its end
UNFINISHED_MEANS = (
    "its preparation was interrupted, or named what can't be read: mend that and run it again, "
    f"or delete {UNFINISHED} to use what is there"
)


def data_files(folder: Path) -> Iterator[Path]:
    """The files at any depth below a folder, sorted, without junk; none where there is no such folder. Links to folders
    are followed, but not in a loop.

    Raises DataError naming a folder that can't be looked into: what is in it would be left out without a word.
    """
    if folder.is_dir():
        yield from _walk(folder, ())


def image_files(folder: Path) -> list[Path]:
    """Those of `data_files` whose suffix is an image's."""
    return [path for path in data_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def by_key(folder: Path) -> dict[str, list[Path]]:
    """The `image_files` below a folder by their `key_of`: two or more where they differ in the suffix alone."""
    found = defaultdict(list)
    for path in image_files(folder):
        found[key_of(path.relative_to(folder))].append(path)
    return dict(found)


def key_of(relative: PurePath) -> str:
    """What an image and its mask have in common: the path below their folders, without the suffix.

    Composed (NFC), since macOS writes an é as two characters and others as one.
    """
    return unicodedata.normalize("NFC", relative.with_suffix("").as_posix())


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    here = os.path.realpath(folder)
    if here in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{folder}: can't be looked into ({error.strerror}); check the folder's rights, or remove it"
        ) from error
    for entry in entries:
        if is_junk(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, (*above, here))
        elif entry.name.lower() not in JUNK_FILES:
            yield folder / entry.name
