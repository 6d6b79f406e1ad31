"""What each output in a folder was made from, and how: decides what is done again and what isn't anyone else's."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from handseg.errors import HandsegError, ImageError
from handseg.inference.segmenter import Segmenter
from handseg.version import __version__
from handseg.video.frame import frame_files

RECORD_FILE = ".handseg.jsonl"
MOSTLY_OLD = 4  # lines for each that still counts, from which on the file is written anew
NO_RECORD = "there already, without a record of how it was made"
EDITED = "changed since handseg wrote it"


class Source:
    """An input file as it is now.

    key: how the record calls it, by its path from the output folder, so that both can move together.
    Raises ImageError when it isn't there or may not be looked at.
    """

    def __init__(self, path: Path, output: Path) -> None:
        self.path = path
        self.key = source_key(path, output)
        self.status = self._look()

    @cached_property
    def content(self) -> str:
        """A hash of all it holds."""
        return _hash(self.path)

    def check(self) -> None:
        """Raise ImageError where the file isn't what it was when this was made; its content is read by then."""
        if self.content and self._look() != self.status:
            raise ImageError(f"{self.path}: it was changed while it was read; run again")

    def _look(self) -> tuple[int, int, int]:
        """Size, and the times of the last change to its content and to its entry, which no program can set back."""
        try:
            status = self.path.stat()
        except FileNotFoundError as error:
            raise ImageError(f"{self.path}: no such file; check the path") from error
        except OSError as error:
            raise ImageError(f"{self.path}: can't be looked at ({error.strerror}); check the file's rights") from error
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class Made:
    """How one output was made.

    source: of Source.key; name: of the source, below the output folder. status, content: of the source, then.
    settings: see `settings_of`. digest: of what was written, see `digest`; "" while a video is under way. note: what
    was wrong with the source, if the output is as whole as it can be.
    """

    source: str
    name: str
    kind: str
    status: tuple[int, int, int]
    content: str
    settings: dict[str, Any]
    digest: str
    note: str = ""


class Record:
    """The record of an output folder: a line for each source that was done, in RECORD_FILE; later lines count.

    Lines are only added, each in one piece, so that several runs may share a folder and one that is killed leaves
    all that it has done. Outputs go by their paths below the folder, with slashes; entries of a COCO file by that of
    the file, `#`, and the image's name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Made] = {}
        self._path = folder / RECORD_FILE
        self._settings: dict[str, dict[str, Any]] = {}
        self._lock = Lock()
        lines = 0
        for line in _lines(self._path):
            lines += 1
            self._take(line)
        self._is_mostly_old = lines > MOSTLY_OLD * len(self.made) + 100

    def folders(self) -> set[str]:
        """Every folder below this one that an image's outputs were written to."""
        return {str(parent) for path in self.made for parent in Path(path).parents}

    def by_source(self) -> dict[tuple[str, str], str]:
        """The path of each output, by its source and its kind."""
        return {(made.source, made.kind): path for path, made in self.made.items()}

    def is_there(self, made: Made) -> bool:
        """Whether the source of an output is still where it was."""
        return os.path.exists(self.folder / made.source)

    def difference(self, path: str, kind: str, source: Source, settings: dict[str, Any]) -> str | None:
        """Why an output isn't what would be made now, in words; None: it is."""
        made = self.made.get(path)
        if made is None:
            return NO_RECORD
        if made.kind != kind or not self.is_of(made, source):
            return "the file has changed" if made.source == source.key else "it was made of another file"
        keys = sorted(k for k in {*settings, *made.settings} if settings.get(k) != made.settings.get(k))
        if keys:
            return ", ".join(f"{key} {settings.get(key)}, was {made.settings.get(key)}" for key in keys)
        return None if made.digest else "it was left unfinished"

    def is_of(self, made: Made, source: Source) -> bool:
        """Whether an output was made of what a file holds now."""
        if made.source == source.key and made.status == source.status:
            return True
        return made.status[0] == source.status[0] and made.content == source.content

    def add(
        self,
        outputs: dict[str, tuple[str, str]],
        source: Source,
        name: str,
        settings: dict[str, Any],
        *,
        note: str = "",
    ) -> None:
        """Note outputs, given as kind → (path, digest), that were made of a file.

        Raises HandsegError when it can't be written.
        """
        key = text_digest(json.dumps(settings, sort_keys=True))
        entry = {
            "source": source.key,
            "name": name,
            "status": source.status,
            "content": source.content,
            "settings": key,
            "outputs": outputs,
            **({"note": note} if note else {}),
        }
        with self._lock:
            lines = [entry]
            if key not in self._settings:
                lines.insert(0, {"id": key, "settings": settings})
            if self._is_mostly_old:
                self._write_anew()
            self._append(lines)
            for line in lines:
                self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        """Take over a line; one of another kind, or of a later handseg's, counts as not there."""
        try:
            if "id" in line:
                self._settings[line["id"]] = dict(line["settings"])
                return
            size, changed, entered = line["status"]
            for kind, (path, digest) in line["outputs"].items():
                self.made[path] = Made(
                    source=line["source"],
                    name=line["name"],
                    kind=kind,
                    status=(size, changed, entered),
                    content=line["content"],
                    settings=self._settings[line["settings"]],
                    digest=digest,
                    note=line.get("note", ""),
                )
        except (KeyError, TypeError, ValueError, AttributeError):
            return

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        # Begun with a line feed: a line that was cut short, by a full disk or by a kill, then spoils no other.
        text = "".join(f"\n{json.dumps(line)}" for line in lines) + "\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            raise HandsegError(
                f"{self.folder}: can't write there ({error.strerror or error}); choose a folder that you may write to"
            ) from error

    def _write_anew(self) -> None:
        from handseg.files import write_atomically

        self._is_mostly_old = False
        lines: list[dict[str, Any]] = [{"id": key, "settings": value} for key, value in self._settings.items()]
        for path, made in self.made.items():
            fields = {name: value for name, value in vars(made).items() if name not in ("kind", "digest")}
            key = text_digest(json.dumps(made.settings, sort_keys=True))
            lines.append({**fields, "settings": key, "outputs": {made.kind: (path, made.digest)}})
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        write_atomically(self._path, lambda file: file.write(text.encode()))


def source_key(path: Path, output: Path) -> str:
    """How the record of a folder calls an input file: by its path from there, with slashes."""
    real = os.path.join(os.path.realpath(path.parent), path.name)
    try:
        return Path(os.path.relpath(real, os.path.realpath(output))).as_posix()
    except ValueError:  # another drive of Windows
        return Path(real).as_posix()


def digest(path: Path) -> str:
    """A hash of what an output holds, a file or a video's folder of masks."""
    if not path.is_dir():
        return _hash(path)[:16]
    return text_digest("".join(f"{file.name} {_hash(file)}\n" for file in frame_files(path)))


def text_digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def settings_of(segmenter: Segmenter) -> dict[str, Any]:
    """All that masks depend on beside the image, as plain values: model, engine, and the segmenter's own settings."""
    # Every plain public attribute is a setting, so that a new one can't be forgotten here.
    own = {
        name: value
        for name, value in vars(segmenter).items()
        if not name.startswith("_") and isinstance(value, str | int | float | bool | None)
    }
    model = Path(segmenter.engine.model)
    weights = digest(model) if model.is_file() else text_digest(segmenter.card.to_json())
    return {
        "handseg": __version__,
        "model": segmenter.card.name,
        "weights": weights,
        "engine": segmenter.engine.name,
        **own,
    }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Those that are JSON objects."""
    try:
        with path.open("rb") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line
    except OSError:  # not there, or not to be read: as if nothing had been recorded
        return


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.blake2b(digest_size=16)
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ImageError(f"{path}: can't be read ({error.strerror}); check the file's rights") from error
    return digest.hexdigest()
