"""Mixture: all the data of a training in one TOML file, source by source, and its training, validation and test sides.

[roots]
data = "../datasets"

[[source]]
name = "desk"
folders = ["{data}/desk"]
policy = "hand+forearm"
share = 0.3
val = ["p04"]
test = 50
terms = "CC BY 4.0"
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from handseg.card import LABEL_POLICIES, LabelPolicy
from handseg.data.copies import Fingerprint, digest_of, find_copies
from handseg.data.folder import read_background, read_datasets, read_unlabelled
from handseg.data.identity import GroupRule, name_datasets, with_unique_names
from handseg.data.landmarks import with_landmarks
from handseg.data.sample import Sample
from handseg.data.splits import Split
from handseg.errors import DataError
from handseg.mask_values import MaskMeaning

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Role = Literal["labelled", "no-hands", "unlabelled"]
ROLES: tuple[Role, ...] = get_args(Role)
Groups = int | Literal["all"] | tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Images of one kind.

    name: by which it is called in tables, cards and scores. folders: datasets, see `read_dataset`; of photos, at any
    depth, where the role isn't labelled. role: labelled; no-hands, nothing in them is a hand; or unlabelled, nothing is
    known of them. policy: what its labels call a hand, where the folders don't say; mask_values, group_by: see
    `MaskMeaning.parse`, `GroupRule.parse`. landmarks: a file of hand landmarks that tell the wrist.
    share: of the draws, in proportion to the other sources'; 0 for a source that nothing is learned from.
    val, test: the sessions that are validated and tested on: patterns such as `p0*` of their names without the
    dataset's before them, a number of images, whose sessions are chosen by a hash of their names, or `all`; none is
    taken for val that is taken for test.
    terms: under which it may be used. made: by which command, where it isn't downloaded.
    """

    name: str
    folders: tuple[Path, ...]
    role: Role = "labelled"
    policy: LabelPolicy = "hand"
    mask_values: str = ""
    group_by: str = ""
    landmarks: Path | None = None
    share: float = 0.0
    val: Groups = ()
    test: Groups = ()
    terms: str = ""
    made: str = ""

    def read(self, names: Mapping[Path, str]) -> list[Sample]:
        """Its samples. names: of the datasets, see `name_datasets`.

        Raises DataError, see `read_dataset`.
        """
        if self.role == "labelled":
            samples = read_datasets(
                self.folders, self.policy, group_by=self.group_by, mask_values=self.mask_values, names=names
            )
            if self.landmarks is not None:
                samples = with_landmarks(samples, self.landmarks)
        else:
            read = read_background if self.role == "no-hands" else read_unlabelled
            samples = [sample for folder in self.folders for sample in read(folder)]
        return [replace(sample, source=self.name) for sample in samples]

    def sides(self, samples: Sequence[Sample]) -> tuple[set[str], set[str]]:
        """The sessions that are validated on, and that are tested on.

        Raises DataError where they ask for what isn't there.
        """
        counts: dict[str, int] = {}
        for sample in samples:
            counts[sample.session] = counts.get(sample.session, 0) + 1
        short = {s.session: s.session.removeprefix(f"{s.dataset}:") for s in samples}
        test = _chosen(self.test, counts, short, f"{self.name}: test")
        return _chosen(self.val, {k: n for k, n in counts.items() if k not in test}, short, f"{self.name}: val"), test


@dataclass(frozen=True)
class MixtureData:
    """What a mixture's file comes to. samples: all, each with its `source`. split: their sides. shares: source → share
    of the draws, of those that are trained on. left_out: images to train on that look like one held out, and aren't.
    text: of the file."""

    samples: list[Sample]
    split: Split
    shares: dict[str, float]
    left_out: list[Sample]
    text: str = ""

    @property
    def sources(self) -> dict[str, list[Sample]]:
        """The samples of each source."""
        names = dict.fromkeys(sample.source for sample in self.samples)
        return {name: [sample for sample in self.samples if sample.source == name] for name in names}


@dataclass(frozen=True)
class Mixture:
    """path: the file. sources: in its order. text: the file's, to be kept with a run."""

    path: Path
    sources: tuple[Source, ...]
    text: str = field(repr=False, compare=False, default="")

    @classmethod
    def load(
        cls, path: str | Path, roots: Mapping[str, str | Path] | None = None, only: Collection[str] = ()
    ) -> Mixture:
        """A mixture's file. roots: other places than its [roots] table says. only: the names of the sources that are
        taken; none for all.

        Folders in it are relative to the file. Raises DataError, naming the file, the source and the key, when it isn't
        valid.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
            values = tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no mixture's file that can be read ({error}); see docs/training.md") from error
        if unknown := sorted(values.keys() - {"roots", "source"}):
            raise DataError(f"{path}: unknown entry {unknown[0]!r}; use roots and source")
        tables, named = values.get("source"), values.get("roots", {})
        if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
            raise DataError(f"{path}: names no sources; begin each with [[source]]")
        if not isinstance(named, dict) or not all(isinstance(v, str) for v in named.values()):
            raise DataError(f"{path}: [roots] must give each name a folder")
        if strange := sorted({*(roots or {})} - {*named}):
            raise DataError(f"{path}: has no root {strange[0]!r}; its roots are {', '.join(named) or 'none'}")
        places = {name: path.parent / folder for name, folder in named.items()}
        places.update({name: Path(folder) for name, folder in (roots or {}).items()})
        sources = tuple(_source(table, places, path) for table in tables)
        seen: set[str] = set()
        for source in sources:
            if source.name in seen:
                raise DataError(f"{path}: two sources are called {source.name}; rename one")
            seen.add(source.name)
        if strange := sorted({*only} - seen):
            raise DataError(f"{path}: has no source {strange[0]!r}; its sources are {', '.join(sorted(seen))}")
        sources = tuple(source for source in sources if not only or source.name in only)
        if not any(source.share for source in sources):
            raise DataError(f"{path}: no source has a share of the draws; give one `share = 1`")
        return cls(path, sources, text)

    def read(self, prints: Any = None, limit: int = 0) -> MixtureData:
        """Read all sources.

        limit: at most so many images of each source and side, for a trial run; 0 for all.

        prints: a function from samples to the fingerprints of their images (see `handseg.data.copies`), by which copies
        of what is held out are left out of the training; None doesn't look for them.
        Raises DataError where a source can't be read, or a side has nothing in it.
        """
        names = name_datasets([folder for source in self.sources for folder in source.folders])
        samples: list[Sample] = []
        val: set[str] = set()
        test: set[str] = set()
        for source in self.sources:
            own = source.read(names)
            try:
                to_val, to_test = source.sides(own)
            except DataError as error:
                raise DataError(f"{self.path}: {error}") from error
            if limit:
                own = _thinned(own, (to_val, to_test), limit)
            samples, val, test = samples + own, val | to_val, test | to_test
        samples = with_unique_names(samples)
        val -= test
        shares = {source.name: source.share for source in self.sources}
        train = [s for s in samples if s.session not in val | test and shares[s.source]]
        if not train:
            raise DataError(f"{self.path}: nothing is left to train on")
        if not val:
            raise DataError(f"{self.path}: nothing is validated on; give a source a `val`")
        found: Mapping[Path, Fingerprint] = prints(samples) if prints else {}
        copies = _copies_of([s for s in samples if s.session in val | test], train, found)
        train = [s for s in train if s.name not in copies]
        split = Split(
            "session-disjoint",
            seed=0,
            folds=0,
            fold=0,
            train=tuple(sorted(s.name for s in train)),
            val=tuple(sorted(s.name for s in samples if s.session in val)),
            test=tuple(sorted(s.name for s in samples if s.session in test)),
            contents={s.name: found[s.image].file if s.image in found else _digest(s.image) for s in samples},
        )
        trained = {s.source for s in train}
        return MixtureData(
            samples,
            split,
            {name: share for name, share in shares.items() if share and name in trained},
            [s for s in samples if s.name in copies],
            self.text,
        )


def _thinned(samples: Sequence[Sample], held: Sequence[Collection[str]], limit: int) -> list[Sample]:
    """At most `limit` samples of each side, evenly over their order. held: the sessions of the sides but training."""
    kept = []
    for side in range(len(held) + 1):
        own = [s for s in samples if next((i for i, h in enumerate(held) if s.session in h), len(held)) == side]
        kept += own[:: max(1, -(-len(own) // limit))]
    return kept


def _digest(path: Path) -> str:
    try:
        return digest_of(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); put it back, or mend the data") from error


def _copies_of(held: Sequence[Sample], train: Sequence[Sample], prints: Mapping[Path, Fingerprint]) -> set[str]:
    """Names of the samples to train on that show the same picture as one held out."""
    both = [s for s in (*held, *train) if s.image in prints]
    first = sum(s.image in prints for s in held)
    pairs = find_copies([prints[s.image] for s in both])
    return {both[c.second].name for c in pairs if c.first < first <= c.second} | {
        both[c.first].name for c in pairs if c.second < first <= c.first
    }


def _chosen(groups: Groups, counts: Mapping[str, int], short: Mapping[str, str], where: str) -> set[str]:
    """Sessions by pattern or number. counts: images of each session that may be chosen."""
    if groups == "all":
        return {*counts}
    if isinstance(groups, int):
        if groups > sum(counts.values()):
            raise DataError(f"{where} wants {groups} images of {sum(counts.values())}; ask for fewer")
        chosen: set[str] = set()
        for session in sorted(counts, key=lambda s: hashlib.sha1(short[s].encode()).hexdigest()):
            if sum(counts[s] for s in chosen) >= groups:
                break
            chosen.add(session)
        return chosen
    chosen = set()
    for pattern in groups:
        fitting = {session for session in counts if fnmatchcase(short[session], pattern)}
        if not fitting:
            known = ", ".join(sorted(short.values())[:4])
            raise DataError(f"{where} names {pattern!r}, which no session is called; there are {known} …")
        chosen |= fitting
    return chosen


def _source(table: dict[str, Any], roots: Mapping[str, Path], path: Path) -> Source:
    where = f"{path}: source {table.get('name', '')}".rstrip()
    known = [f.name for f in fields(Source)]
    if unknown := sorted(table.keys() - {*known}):
        raise DataError(f"{where}: unknown entry {unknown[0]!r}; use {', '.join(known)}")
    for key in ("name", "policy", "role", "mask_values", "group_by", "landmarks", "terms", "made"):
        if key in table and not isinstance(table[key], str):
            raise DataError(f"{where}: {key} is {table[key]!r}; it must be text")
    folders = table.get("folders")
    if not table.get("name") or not isinstance(folders, list) or not folders:
        raise DataError(f'{where}: needs a name and folders, as folders = ["my_photos"]')
    for key, known_values in (("policy", LABEL_POLICIES), ("role", ROLES)):
        if key in table and table[key] not in known_values:
            raise DataError(f"{where}: unknown {key} {table[key]!r}; use {', '.join(known_values)}")
    share = table.get("share", 0.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < float("inf"):
        raise DataError(f"{where}: share is {share!r}; it must be a number, 0 or more")
    for key, parse in (("mask_values", MaskMeaning.parse), ("group_by", GroupRule.parse)):
        try:
            if table.get(key):
                parse(table[key])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error

    def place(text: Any) -> Path:
        if not isinstance(text, str):
            raise DataError(f"{where}: {text!r} is no folder")
        try:
            found = text.format_map({name: str(root) for name, root in roots.items()})
        except (KeyError, ValueError, IndexError) as error:
            raise DataError(f"{where}: {text!r} names a root that [roots] doesn't have") from error
        return Path(found) if text.startswith("{") else path.parent / found

    return Source(
        **{
            **table,
            "folders": tuple(map(place, folders)),
            "landmarks": place(table["landmarks"]) if table.get("landmarks") else None,
            "share": float(share),
            "val": _groups(table.get("val", []), f"{where}: val"),
            "test": _groups(table.get("test", []), f"{where}: test"),
        }
    )


def _groups(value: Any, where: str) -> Groups:
    if value == "all":
        return "all"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise DataError(f'{where} is {value!r}; it must be sessions as ["p04"], a number of images, or "all"')
