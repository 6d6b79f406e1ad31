"""Files: find those of some kinds in a folder, at any depth, whatever else lies there; write whole ones."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from handseg.errors import HandsegError

# What operating systems and storage devices put beside a user's files; names that start with a dot are more of it.
JUNK = frozenset(
    {
        *("__macosx", "@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot"),
        *("$recycle.bin", "system volume information", "lost+found", "found.000"),
    }
)


@dataclass
class FolderContent:
    """files: sorted. folders: all that were looked into. failures: a message for each file or folder that can't be."""

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is nothing that a user put there: `._a.jpg`, `@eaDir`, `.thumbnails`."""
    return name.startswith(".") or name.lower() in JUNK


def find_files(root: Path, suffixes: Collection[str]) -> FolderContent:
    """The files below a folder whose suffix, in lower case, is one of `suffixes`.

    A link to a folder is followed where that folder lies elsewhere; each folder is looked into once, under its own
    name if it has one here, so that links can't go round in circles. Junk (see `is_junk`) is left out. Links that lead
    nowhere, pipes and devices with such a suffix, and folders that may not be read are failures.
    """
    content = FolderContent()
    seen = {_identity(parent) for parent in Path(os.path.realpath(root)).parents}
    waiting = [root]
    while waiting:
        links: list[Path] = []
        while waiting:
            _look_into(waiting.pop(), suffixes, seen, content, waiting, links)
        waiting = sorted(links, reverse=True)
    content.files.sort()
    return content


def _look_into(
    folder: Path,
    suffixes: Collection[str],
    seen: set[tuple[int, int]],
    content: FolderContent,
    below: list[Path],
    links: list[Path],
) -> None:
    """Add what one folder holds: to `content` its files, to `below` its folders, to `links` its links to folders."""
    try:
        identity = _identity(folder)
        if identity in seen:
            return
        seen.add(identity)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        content.failures.append(f"{folder}: can't be looked into ({error.strerror}); check the folder's rights")
        return
    content.folders.append(folder)
    for entry in entries:
        path = folder / entry.name
        if is_junk(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            below.append(path)
            continue
        is_wanted = path.suffix.lower() in suffixes
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if is_wanted:
                what = "a link that leads nowhere" if entry.is_symlink() else "can't be looked at"
                content.failures.append(f"{path}: {what} ({error.strerror}); remove or mend it")
            continue
        if stat.S_ISDIR(mode):
            links.append(path)
        elif is_wanted and stat.S_ISREG(mode):
            content.files.append(path)
        elif is_wanted:
            content.failures.append(
                f"{path}: a pipe, socket or device, not a file; remove it, or save its content first"
            )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a file that replaces `path` once it is complete.

    Raises HandsegError when the folder can't be made or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _create_beside(path)
    except OSError as error:
        raise HandsegError(
            f"{path.parent}: can't write there ({error.strerror or error}); choose a folder that you may write to"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise HandsegError(
                f"{path}: can't write ({error.strerror or error}); check the disk's space and the folder's rights"
            ) from error
        raise


def _create_beside(path: Path) -> tuple[int, Path]:
    """A new file, opened, in a path's folder; with the rights that any new file gets, which `tempfile` doesn't give."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    while True:
        temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
        try:
            return os.open(temporary, flags, 0o666), temporary
        except FileExistsError:
            continue
