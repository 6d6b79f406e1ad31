"""What handseg predict says: to people on stderr while it works, to programs as JSON on stdout at the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handseg import __version__

if TYPE_CHECKING:
    from handseg.batch import Outcome
    from handseg.inference.segmenter import Segmenter
    from handseg.video.frame import VideoFrame


class Account:
    """Says what becomes of each file, and sums up. is_quiet: nothing but errors on stderr."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.is_quiet = is_quiet
        self._jobs = 0
        self._taken = 0
        self._reasons: Counter[str] = Counter()
        self._files: list[dict[str, Any]] = []
        self._model: dict[str, str] = {}
        self._start = time.monotonic()
        self.bar = self._new_bar()

    def expect(self, jobs: int) -> None:
        """So many files will come."""
        self._jobs = jobs
        self.bar = self._new_bar()

    def tell(self, message: str) -> None:
        if not self.is_quiet:
            click.echo(message, err=True)

    def tell_model(self, segmenter: Segmenter) -> None:
        self._model = {"model": segmenter.card.name, "engine": segmenter.engine.name}
        self.tell(f"model {segmenter.card.name}, engine {segmenter.engine.name}")

    def fail(self, message: str, source: Path | None = None) -> None:
        message = " ".join(message.splitlines())  # a file's name may hold a line feed
        click.echo(f"error: {message}", err=True)
        self.counts["failed"] += 1
        self._note(source, "failed", message)

    def take(self, outcome: Outcome, outputs: dict[str, str]) -> None:
        """outputs: kind → path, of the file's."""
        self._taken += 1
        if outcome.state == "failed":
            self.fail(outcome.message, outcome.source)
        else:
            self.counts[outcome.state] += 1
            if outcome.message:
                self._reasons[outcome.message] += 1
            self._note(outcome.source, outcome.state, outcome.message, outputs)
        for note in outcome.notes:
            self.tell(f"note: {note}")
        if outcome.notes:
            self._files[-1]["notes"] = list(outcome.notes)
        self.bar.update(1, f"{(self.bar.pos + 1) / max(1e-9, time.monotonic() - self._start):.1f} files/s")

    def close(self, output: Path, *, is_interrupted: bool = False) -> None:
        for reason, count in self._reasons.items():
            self.tell(f"note: {count} done again: {reason}")
        rest = self._jobs - self._taken
        summary = [
            f"{'interrupted: ' * is_interrupted}{self.counts['done']} done",
            f"{self.counts['kept']} there already" * bool(self.counts["kept"]),
            f"{self.counts['failed']} failed" * bool(self.counts["failed"]),
            f"{rest} not done" * is_interrupted,
        ]
        self.tell(f"{', '.join(filter(None, summary))}: {output}")

    def print_json(self, *, is_interrupted: bool = False) -> None:
        """One object on stdout: counts, and of each file its state and its outputs."""
        summary = {
            "handseg": __version__,
            **self._model,
            **{state: self.counts[state] for state in ("done", "kept", "failed")},
            "interrupted": is_interrupted,
            "seconds": round(time.monotonic() - self._start, 3),
            "files": self._files,
        }
        click.echo(json.dumps(summary, indent=1, ensure_ascii=True))

    def show_frames(self, path: Path, frames: Iterable[VideoFrame], count: int | None) -> Iterator[VideoFrame]:
        """A bar for the frames of a video."""
        start = time.monotonic()
        with click.progressbar(
            frames,
            length=count,
            label=path.name,
            file=sys.stderr,
            hidden=self.is_quiet or not sys.stderr.isatty(),
            item_show_func=lambda f: f and f"{(f.index + 1) / max(1e-9, time.monotonic() - start):.1f} frames/s",
        ) as bar:
            yield from bar

    def _note(self, source: Path | None, state: str, message: str, outputs: dict[str, str] | None = None) -> None:
        entry: dict[str, Any] = {"input": None if source is None else str(source), "state": state}
        if message:
            entry["message"] = message
        if outputs is not None:
            entry["outputs"] = outputs
        self._files.append(entry)

    def _new_bar(self) -> Any:
        return click.progressbar(
            length=self._jobs,
            label="predict",
            file=sys.stderr,
            hidden=self.is_quiet or not sys.stderr.isatty() or self._jobs <= 1,  # a video has a bar of its own
            show_pos=True,
            item_show_func=lambda speed: speed,
        )
