"""What a folder says of itself: its `dataset.toml`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from handseg.data.identity import GroupRule
from handseg.errors import DataError, MissingExtraError
from handseg.image.mask_values import MaskMeaning
from handseg.masks.labels import LABEL_POLICIES, LabelPolicy

FILE = "dataset.toml"


@dataclass(frozen=True)
class DatasetDescription:
    """policy: what its masks call a hand, where an index.csv doesn't say; mask_values: what their values mean, see
    `MaskMeaning.parse`; inverted: whether they show the background. group_by: which images belong together, see
    `GroupRule.parse`. What is left out is found out, as far as that goes."""

    policy: LabelPolicy | Literal[""] = ""
    mask_values: str = ""
    inverted: bool | None = None
    group_by: str = ""

    @classmethod
    def load(cls, root: Path) -> DatasetDescription:
        """That of a dataset's folder; all defaults where it has none.

        Raises DataError, naming the file, when it isn't TOML or holds what isn't known.
        """
        path = root / FILE
        if not path.is_file():
            return cls()
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            try:
                import tomli as tomllib
            except ImportError as error:
                raise MissingExtraError(f"Reading {path}", "train") from error
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: can't be read ({error}); mend it") from error
        known = [field.name for field in fields(cls)]
        if unknown := sorted(values.keys() - {*known}):
            raise DataError(f"{path}: unknown entry {unknown[0]!r}; use {', '.join(known)}")
        for name, value in values.items():
            if not isinstance(value, bool if name == "inverted" else str):
                kind = "true or false" if name == "inverted" else "text"
                raise DataError(f"{path}: {name} is {value!r}; it must be {kind}")
        description = cls(**values)
        if description.policy and description.policy not in LABEL_POLICIES:
            raise DataError(f"{path}: unknown policy {description.policy!r}; use {' or '.join(LABEL_POLICIES)}")
        for text, parse in ((description.mask_values, MaskMeaning.parse), (description.group_by, GroupRule.parse)):
            try:
                if text:
                    parse(text)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
        return description
