"""What a folder says of itself: its `dataset.toml`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

from handseg.data.identity import GroupRule
from handseg.errors import DataError, MissingExtraError

FILE = "dataset.toml"


@dataclass(frozen=True)
class DatasetDescription:
    """group_by: which images belong together, see `GroupRule.parse`; none where the names and folders tell."""

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
        if not isinstance(values.get("group_by", ""), str):
            raise DataError(f"{path}: group_by must be text, as in group_by = 'folder'")
        description = cls(**values)
        if description.group_by:
            try:
                GroupRule.parse(description.group_by)
            except DataError as error:
                raise DataError(f"{path}: {error}") from error
        return description
