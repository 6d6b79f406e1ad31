"""The command line: one file per command, imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from handseg.errors import HandsegError
from handseg.version import __version__

COMMANDS = {
    "bench": "Measure how fast it is on this machine.",
    "camera": "Show the hands in front of a camera, live.",
    "data": "Prepare, check and split datasets.",
    "evaluate": "Score a model on labelled images.",
    "export": "Turn a trained checkpoint into an ONNX, INT8 or TorchScript file.",
    "info": "Say which versions, engines, devices and models there are here.",
    "models": "List the packaged models and their cards.",
    "predict": "Write hand masks for images, videos and folders.",
    "serve": "Answer requests for masks over HTTP.",
    "train": "Train a model of your own.",
}


class LazyGroup(click.Group):
    """Imports a command's module when it is called; the list above is enough for --help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"handseg.cli.{name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """By the list above: no command is imported for its name."""
        names = [
            CompletionItem(name, help=text) for name, text in sorted(COMMANDS.items()) if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Turn a user's mistake into one line on stderr and exit status 1, Ctrl-C into one and 130."""
        try:
            return super().invoke(ctx)
        except HandsegError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="handseg")
def main() -> None:
    """Pixel-accurate hand masks from any camera."""
