"""Stages: each makes files from others, and is run again only when what it is made from has changed."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = ".stage.json"


@dataclass(frozen=True)
class Stage:
    """name: by which it is asked for. makes: files and folders, below the place where all is made unless absolute.
    does: makes them. needs: stages whose results it reads. reads: other files that decide the result: recipes, lists,
    its own code. settings: values that do. takes: how long, for people."""

    name: str
    makes: tuple[Path, ...]
    does: Callable[[], None]
    needs: tuple[str, ...] = ()
    reads: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    takes: str = ""


def order(stages: Sequence[Stage], wanted: Sequence[str]) -> list[Stage]:
    """The stages that are wanted and all that they need, what is needed first.

    Raises KeyError for a name that no stage has.
    """
    named = {stage.name: stage for stage in stages}
    done: dict[str, Stage] = {}

    def visit(name: str) -> None:
        if name not in done:
            for needed in named[name].needs:
                visit(needed)
            done[name] = named[name]

    for name in wanted:
        visit(name)
    return list(done.values())


def build(stages: Sequence[Stage], wanted: Sequence[str], place: Path, *, dry: bool = False) -> None:
    """Run what is out of date. place: the folder of the marks, which remember what each stage was made from.

    dry: only say what would be run.
    """
    place.mkdir(parents=True, exist_ok=True)
    for stage in order(stages, wanted):
        mark, now = place / f"{stage.name}{MARK}", _state(stage, place)
        if _is_current(stage, mark, now):
            print(f"{stage.name}: up to date", file=sys.stderr)
            continue
        print(f"{stage.name}: {stage.takes or 'a moment'}", file=sys.stderr, flush=True)
        if dry:
            continue
        begun = time.monotonic()
        stage.does()
        if missing := [path for path in stage.makes if not path.exists()]:
            raise FileNotFoundError(f"{stage.name}: {missing[0]} wasn't made")
        mark.write_text(json.dumps({**now, "made": _made(stage), "seconds": round(time.monotonic() - begun)}, indent=1))


def _is_current(stage: Stage, mark: Path, now: dict[str, object]) -> bool:
    if not mark.is_file() or not all(path.exists() for path in stage.makes):
        return False
    before = json.loads(mark.read_text())
    return all(before.get(key) == value for key, value in now.items()) and before["made"] == _made(stage)


def _state(stage: Stage, place: Path) -> dict[str, object]:
    """What decides a stage's result: its files, its settings, and what the stages that it needs have made."""
    needed = {name: place / f"{name}{MARK}" for name in stage.needs}
    return {
        "reads": {path.name: _hash(path) for path in stage.reads},
        "settings": list(stage.settings),
        "needs": {name: json.loads(m.read_text())["made"] if m.is_file() else None for name, m in needed.items()},
    }


def _made(stage: Stage) -> dict[str, str]:
    return {path.name: _hash(path) for path in stage.makes}


def _hash(path: Path) -> str:
    """Of a file's content, or of a folder's names and sizes, which is quick for thousands of pictures."""
    whole = hashlib.sha256()
    for part in _parts(path):
        whole.update(part)
    return whole.hexdigest()[:16]


def _parts(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield f"{file.relative_to(path)} {file.stat().st_size}\n".encode()
    else:
        yield path.read_bytes()
