"""run.json: what made a run, so that a resumed one goes on with the same or says what differs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import handseg
from handseg.data.sample import Sample
from handseg.data.splits import Split
from handseg.engines import find_model, packaged_models
from handseg.errors import TrainingError
from handseg.image import write_atomically

FILE = "run.json"
PACKAGES = ("torch", "lightning", "numpy")
# What decides the result, and how it is called in a message; the rest is there to be read.
COMPARED = {
    "seed": "seed",
    "shares": "shares of the draws",
    "split": "which images are trained on and which validate",
    "teacher": "teacher",
    "device": "device",
    "processes": "processes",
    "precision": "precision",
}


@dataclass(frozen=True)
class Origin:
    """What a run is made from, beyond what its samples tell.

    command: as it was typed. sources: the samples of each folder, by the option and path that named it. split: kept in
    the run as `split.json`. mixture: the text of its file, kept as `mixture.toml`.
    """

    command: str = ""
    sources: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    split: Split | None = None
    mixture: str = ""


def by_folder(option: str, folders: Iterable[Path], samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Sources for an Origin: the samples below each of the folders that an option has named."""
    return {f"{option} {folder}": [s for s in samples if s.image.is_relative_to(folder)] for folder in folders}


def describe(
    recipe: Mapping[str, Any],
    sides: Mapping[str, Sequence[Sample]],
    origin: Origin,
    machine: Mapping[str, Any],
    *,
    seed: int,
    shares: Mapping[str, float] = {},
    init: str | Path | None,
    teacher: str | None,
) -> dict[str, Any]:
    """A manifest, of plain values. sides: the samples that are trained on and that validate. init, teacher: names or
    files. shares: of the draws, of each source of a
    mixture. machine: device, processes, precision, …

    Reads every file of the data, once.
    """
    names = [[sample.name for sample in side] for side in sides.values()]
    return {
        "command": origin.command,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seed": seed,
        "shares": dict(shares) or None,
        "recipe": dict(recipe),
        "data": [
            {"source": source, "images": len(samples), "sha256": fingerprint(samples)}
            for source, samples in (origin.sources or sides).items()
        ],
        "split": hashlib.sha256(json.dumps(names).encode()).hexdigest(),
        "init": None if init is None else {"source": str(init), "sha256": file_hash(init)},
        "teacher": None if teacher is None else file_hash(teacher),
        **machine,
        "versions": {
            "handseg": handseg.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What makes a run another one than it was, in words; [] where nothing does. Epochs are left to the caller.

    An `init` that isn't named again is taken to be the same; data may lie elsewhere.
    """
    found = [
        f"{words}: {_short(before.get(key))} then, {_short(now[key])} now"
        for key, words in COMPARED.items()
        if before.get(key) != now[key]
    ]
    ours, theirs = (dict(_flat(m["recipe"])) for m in (now, before))
    for key in sorted({*ours, *theirs} - {"name", "run.epochs"}):
        if ours.get(key) != theirs.get(key):
            found.append(f"recipe's {key}: {theirs.get(key)} then, {ours.get(key)} now")
    begun = before.get("init") or {"source": "none", "sha256": None}
    if now["init"] and now["init"]["sha256"] != begun["sha256"]:
        other = " (or other content)" if now["init"]["source"] == begun["source"] else ""
        found.append(f"init: {begun['source']} then, {now['init']['source']} now{other}")
    return found + _data_differences(before["data"], now["data"])


def _data_differences(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for option in dict.fromkeys(_option(entry) for entry in (*before, *now)):
        pairs = zip_longest(*([entry for entry in data if _option(entry) == option] for data in (before, now)))
        for old, new in pairs:
            if old is None or new is None:
                found.append(f"{(old or new)['source']}: {'not there then' if old is None else 'not named now'}")
            elif old["sha256"] != new["sha256"]:
                found.append(f"{new['source']}: other content ({old['images']} images then, {new['images']} now)")
    return found


def fingerprint(samples: Sequence[Sample]) -> str:
    """A hash of the names, settings and files of samples, wherever they lie."""
    whole = hashlib.sha256()
    sessions: dict[str, int] = {}  # their names may be made of the folder's
    for sample in samples:
        for part in _parts(sample, sessions.setdefault(sample.session, len(sessions))):
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def _parts(sample: Sample, session: int) -> Iterator[bytes]:
    flags = sample.background, sample.unlabelled, sample.source, sample.inverted
    yield json.dumps([sample.name, session, sample.policy, *flags, str(sample.meaning)]).encode()
    for part in (sample.image, sample.label, sample.hands, sample.forearm, sample.landmarks):
        if isinstance(part, Path):
            try:
                yield part.read_bytes()
            except OSError as error:
                raise TrainingError(
                    f"{part}: can't be read ({error.strerror}); put it back, or mend the data"
                ) from error
        else:
            for array in part or ():
                yield b"" if array is None else np.ascontiguousarray(array).tobytes()


def file_hash(model: str | Path) -> str:
    """SHA-256 of a packaged model or a file; the name of anything else."""
    path = find_model(model) if str(model) in packaged_models() else Path(model)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else str(model)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run; None where it has none, as of a version before there were any.

    Raises TrainingError when it can't be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text("utf-8"))
        differences(manifest, manifest)  # has what is looked for
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainingError(f"{path}: damaged ({error}); delete it, and the run is resumed unchecked") from error
    return dict(manifest)


def write_manifest(folder: Path, manifest: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """before: of the run that is resumed; kept under `earlier`."""
    earlier: list[Any] = []
    if before is not None:
        earlier = [*before.get("earlier", ()), {key: value for key, value in before.items() if key != "earlier"}]
    content = json.dumps({**manifest, "earlier": earlier}, indent=1, ensure_ascii=False).encode()
    write_atomically(folder / FILE, lambda file: file.write(content))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _option(entry: Mapping[str, Any]) -> str:
    return str(entry["source"]).partition(" ")[0]


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text[:8] if len(text) == 64 else text
