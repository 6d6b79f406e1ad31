"""Recipes as TOML: the packaged ones and files, alone or over a base, and single settings over either."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from handseg.errors import TrainingError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def packaged_recipes() -> list[str]:
    """Names of the recipes that come with handseg."""
    folder = files("handseg.training") / "recipes"
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def recipe_values(name_or_path: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a recipe says, as plain values: a packaged one by name, or a TOML file.

    One with `base = "default"` has the values of that recipe, packaged or a file (relative to its own), where it names
    no others; without a name it is called as its file. above: the files that name it as their base.
    Raises TrainingError when it can't be read, or is its own base.
    """
    if name_or_path in packaged_recipes():
        text = (files("handseg.training") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")
    else:
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(
                f"{name_or_path}: neither a packaged recipe ({', '.join(packaged_recipes())}) "
                "nor a TOML file that can be read"
            ) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{name_or_path}: not valid TOML ({error})") from error
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise TrainingError(f"{name_or_path}: base: {base!r} is no name of a recipe or file")
    below = base if base in packaged_recipes() else str(Path(name_or_path).parent / base)
    if below in (chain := (*above, name_or_path)):
        raise TrainingError(f"{name_or_path}: is its own base ({' → '.join((*chain, below))}); name another")
    merged = layered(recipe_values(below, chain), values)
    merged["name"] = values.get("name", Path(name_or_path).stem)
    return merged


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Tables of `run.draws=48` and the like. A value is TOML, or else the text itself.

    Raises TrainingError where one isn't `KEY=VALUE`.
    """
    tables: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        *path, last = key.split(".")
        if not equals or not all((*path, last)):
            raise TrainingError(f"--set {setting}: no TABLE.KEY=VALUE; write it as run.draws=48")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        place = tables
        for table in path:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise TrainingError(f"--set {setting}: {table} has a value already; name a key of a table once")
        place[last] = value
    return tables


def layered(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `below`, where `over` has no others. Who sets `draws` means that many of few images too."""
    merged = dict(below)
    for key, value in over.items():
        own = merged.get(key)
        merged[key] = layered(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    if "draws" in over and "draws_per_image" not in over and "draws_per_image" in below:
        merged["draws_per_image"] = 0
    return merged
