"""A dataset's `index.csv`: which image has which mask, and what belongs together."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from handseg.data.faults import Fault
from handseg.errors import DataError
from handseg.masks.labels import LABEL_POLICIES, LabelPolicy

FILE = "index.csv"
COLUMNS = ("name", "image", "mask", "video", "session", "policy")
NEEDED = COLUMNS[:3]
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """image, mask: relative to the dataset's folder. values: all columns."""

    name: str
    image: PurePosixPath
    mask: PurePosixPath
    policy: LabelPolicy
    values: dict[str, str]


def read_index(root: Path, policy: LabelPolicy) -> tuple[list[Row], list[Fault]]:
    """The good rows of an index, and the faults of the others.

    policy: where the index doesn't say. Columns may be divided by commas, semicolons or tabs, paths by slashes of
    either kind. Raises DataError where the whole file is of no use.
    """
    path = root / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read as UTF-8 text ({error}); save it anew") from error
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [(name or "").strip() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    if missing := [name for name in NEEDED if name not in columns]:
        raise DataError(f"{path}: no column {' and '.join(missing)}; its first line must be {','.join(COLUMNS)}")
    rows: list[Row] = []
    faults: list[Fault] = []
    first: dict[tuple[str, str], int] = {}
    try:
        for raw in reader:
            line = reader.line_num
            values = {key: (value or "").strip() for key, value in raw.items() if key}
            try:
                row = _row(root, values, policy)
                for kind, value in (("name", row.name), ("image", str(row.image))):
                    if (earlier := first.setdefault((kind, value), line)) != line:
                        raise DataError(f"the {kind} {value} is in line {earlier} already; each has one line")
                rows.append(row)
            except DataError as error:
                faults.append(Fault("error", "index", path, f"line {line}: {error}"))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not CSV ({error}); mend it") from error
    if not rows and not faults:
        raise DataError(f"{path}: holds no rows; prepare the dataset anew")
    return rows, faults


def _row(root: Path, values: dict[str, str], policy: LabelPolicy) -> Row:
    if missing := [column for column in NEEDED if not values.get(column)]:
        raise DataError(f"no {' and '.join(missing)}; prepare the dataset anew")
    named = values.get("policy") or policy
    if named not in LABEL_POLICIES:
        raise DataError(f"unknown label policy {named!r}; use {' or '.join(LABEL_POLICIES)}")
    image, mask = (_inside(root, values[kind]) for kind in ("image", "mask"))
    for relative in (image, mask):
        if not (root / relative).is_file():
            raise DataError(f"{root / relative}: named in {FILE}, but not there; prepare the dataset anew")
    return Row(values["name"], image, mask, LABEL_POLICIES[LABEL_POLICIES.index(named)], values)


def _inside(root: Path, text: str) -> PurePosixPath:
    """A path as it stands in an index, of either system, from the dataset's folder on."""
    if Path(text).is_relative_to(root.absolute()):
        text = Path(text).relative_to(root.absolute()).as_posix()
    if PureWindowsPath(text).anchor or PurePosixPath(text).anchor:
        raise DataError(f"{text} is an absolute path out of {root}; name files from there on, as images/a.jpg")
    path = PurePosixPath(text)
    if not (root / path).is_file():
        path = PurePosixPath(PureWindowsPath(text).as_posix())
    if ".." in path.parts:
        raise DataError(f"{text} leads out of {root}; name files that lie in it, as images/a.jpg")
    return path
