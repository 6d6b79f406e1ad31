"""Runs the blocks of a page one after the other in one folder, as a reader does who types them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click

from handseg.cli import main
from tests.docs.blocks import ROOT, Block

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PORT = "8000"
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
TOLERANCE = 0.02  # of a number in an output: processors round differently


class PageRun:
    """One page in one folder, see `make_sandbox`. Leave it by its `with` block: what goes on in the background ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self._names: dict[str, Any] = {"__name__": "__page__"}
        self._background: list[subprocess.Popen[bytes]] = []
        self._port = PORT

    def __enter__(self) -> PageRun:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._background:
            process.terminate()
            process.wait(30)

    def run(self, block: Block) -> None:
        """Run a block that can be run here; `output` is then what it printed. Raises AssertionError when it fails."""
        text = block.text.replace(PORT, self._port)
        if block.file:
            (self.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.file).write_text(text, "utf-8")
        elif block.mark == "background":
            self._start(text)
        elif block.language == "sh":
            self.output = self._shell(text, block)
        elif block.language == "python":
            self.output = self._python(text, block)

    def _python(self, text: str, block: Block) -> str:
        with _inside(self.folder) as output:
            code = compile("\n" * block.line + text, str(block.page), "exec")
            exec(code, self._names)
        return output.getvalue()

    def _shell(self, text: str, block: Block) -> str:
        commands = commands_of(text)
        if all(is_plain(command) for command in commands):
            return "".join(self._handseg(command, block) for command in commands)
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 0, f"{block.name}:\n{result.stdout}"
        return result.stdout

    def _handseg(self, command: str, block: Block) -> str:
        arguments = arguments_of(command)
        if arguments[0] == "train":  # what takes hours is done in a few steps
            arguments += ["--recipe", str(self._short_recipe(arguments)), "--threads", "1", "--epochs", "1"]
        with _inside(self.folder) as output:
            status: Any = 0
            try:
                main(arguments, standalone_mode=True)
            except SystemExit as end:
                status = end.code
        assert not status, f"{block.name}: {command}\n{output.getvalue()}"
        return output.getvalue()

    def _short_recipe(self, arguments: list[str]) -> Path:
        """The recipe that is asked for, in two steps of small views; with nano's network but for --init."""
        recipes = ROOT / "src/handseg/training/recipes"
        asked = arguments[arguments.index("--recipe") + 1] if "--recipe" in arguments else "default"
        assert (recipes / f"{asked}.toml").is_file(), f"there is no recipe {asked}"
        text = (recipes / f"{asked if '--init' in arguments else 'nano'}.toml").read_text("utf-8")
        text = re.sub("^name = .*$", f'name = "{asked}"', text, count=1, flags=re.MULTILINE)
        for key, value in (("size", "[64, 96]"), ("batch_size", "2"), ("draws", "4"), ("validate_every", "1")):
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        path = self.folder / "short.toml"
        path.write_text(text, "utf-8")
        return path

    def _start(self, text: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        (command,) = commands_of(text)
        call = [sys.executable, "-m", "handseg", *arguments_of(command), "--port", self._port]
        with (self.folder / "background.log").open("wb") as log:
            self._background.append(
                subprocess.Popen(call, cwd=self.folder, env=self._environment(), stdout=log, stderr=log)
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self._port)), 1):
                return
            time.sleep(0.1)
        raise AssertionError(f"{command}: doesn't answer\n{(self.folder / 'background.log').read_text()}")

    def _environment(self) -> dict[str, str]:
        """With `handseg` and `python` as a reader has them, whichever of them the tests run in."""
        programs = self.folder / ".programs"
        if not programs.is_dir():
            programs.mkdir()
            for name, call in (("handseg", "-m handseg "), ("python", "")):
                (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call}"$@"\n')
                (programs / name).chmod(0o755)
        return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def _inside(folder: Path):  # type: ignore[no-untyped-def]
    """In this folder, with what is printed kept."""
    before, output = Path.cwd(), io.StringIO()
    os.chdir(folder)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            warnings.simplefilter("ignore")
            yield output
    finally:
        os.chdir(before)


def commands_of(text: str) -> list[str]:
    """The lines of a shell block, continued ones joined, without comments."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def is_plain(command: str) -> bool:
    """handseg with arguments and nothing else, so that it needs no shell."""
    return command.startswith("handseg ") and not re.search(
        r"[|><&;$`*]", re.sub(r"\s#.*|\"[^\"]*\"|'[^']*'", "", command)
    )


def arguments_of(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


def check_unrun(block: Block) -> None:
    """What can be said of a block without running it: it parses, and its options and extras are there."""
    if block.language == "python":
        compile(block.text, str(block.page), "exec")
    elif block.language == "sh":
        for command in re.split(r"\n|&&|\|", block.text.replace("\\\n", " ")):
            if command.strip().startswith("handseg "):
                check_command(command.strip(), block.name)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "json":
        json.loads(block.text)
    for extras in re.findall(r"(?:handseg|\.)\[([\w,]+)\]", block.text):
        assert set(extras.split(",")) <= set(known_extras()), f"{block.name}: [{extras}] isn't in pyproject.toml"


def known_extras() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["optional-dependencies"]]


def check_command(command: str, where: str, *, is_whole: bool = True) -> None:
    """That a command line of handseg has commands and options that exist, and, if whole, all that are required."""
    arguments = arguments_of(command)
    current: click.Command = main
    parent = click.Context(main, info_name="handseg")
    while isinstance(current, click.Group) and arguments and not arguments[0].startswith("-"):
        found = current.get_command(parent, arguments[0])
        assert found is not None, f"{where}: {command}: there is no command {arguments[0]}"
        current, arguments = found, arguments[1:]
        parent = click.Context(current, parent=parent, info_name=current.name)
    try:
        current.make_context(str(current.name), arguments, parent=parent.parent)
    except click.exceptions.Exit:
        pass
    except click.MissingParameter as error:
        if is_whole:
            raise AssertionError(f"{where}: {command}: {error.format_message()}") from error
    except click.BadParameter as error:
        is_file = isinstance(getattr(error.param, "type", None), click.Path)  # one that isn't here
        if not is_file:
            raise AssertionError(f"{where}: {command}: {error.format_message()}") from error
    except click.UsageError as error:
        raise AssertionError(f"{where}: {command}: {error.format_message()}") from error


def options_known() -> set[str]:
    """All long options of all commands."""
    found: set[str] = set()

    def walk(command: click.Command, context: click.Context) -> None:
        for parameter in command.get_params(context):
            found.update([*parameter.opts, *parameter.secondary_opts])
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                member = command.get_command(context, name)
                assert member is not None
                walk(member, click.Context(member, parent=context, info_name=name))

    walk(main, click.Context(main, info_name="handseg"))
    return found


def has(program: str) -> bool:
    return shutil.which(program) is not None


def same_output(told: str, printed: str, numbers_vary: bool) -> bool:
    """Whether a page tells what a block prints; … in it stands for anything."""
    told, printed = _tidy(told), _tidy(printed)
    pieces = [re.escape(piece) for piece in NUMBER.sub("0", told).split("…")]
    if not re.fullmatch(".*?".join(pieces), NUMBER.sub("0", printed), re.DOTALL):
        return False
    if numbers_vary or "…" in told:
        return True
    pairs = zip(NUMBER.findall(told), NUMBER.findall(printed))
    return all(abs(_value(a) - _value(b)) <= TOLERANCE * max(1, abs(_value(a))) for a, b in pairs)


def _value(number: str) -> float:
    return float(number.replace(",", "").replace(".", "", number.count(".") - 1) or 0)


def _tidy(text: str) -> str:
    """White space counts as one blank, and none beside brackets, so that a page may lay JSON out as it reads best."""
    return re.sub(r"(?<=[\[{(]) | (?=[\]})])", "", " ".join(text.split()))
