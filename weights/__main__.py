"""python -m weights [TARGET …]: make the packaged models, or one of the stages on the way to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from handseg.errors import HandsegError
from weights.pipeline import build, order
from weights.stages import TARGETS, Place, stages

HERE = Path(__file__).parent


@click.command()
@click.argument("target", nargs=-1)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=HERE.parents[1] / "shared/data",
    help="Folder of the labelled images. Default: ../shared/data.",
)
@click.option(
    "--made", type=click.Path(path_type=Path), help="Where all is made. Default: runs/weights, or runs/quick."
)
@click.option("--quick", is_flag=True, help="Everything on a handful of images and steps, to see that it runs.")
@click.option("--list", "listing", is_flag=True, help="The stages, and how long each takes.")
@click.option("--dry-run", is_flag=True, help="Only say what is out of date.")
def main(target: tuple[str, ...], data: Path, made: Path | None, quick: bool, listing: bool, dry_run: bool) -> None:
    """Make TARGET and all that it is made from, as far as that is out of date. Default: all packaged models."""
    place = Place(data.resolve(), (made or HERE.parent / "runs" / ("quick" if quick else "weights")).resolve(), quick)
    known = stages(place)
    if listing:
        for stage in order(known, [stage.name for stage in known]):
            click.echo(f"{stage.name:<14} {stage.takes:<45} from {', '.join(stage.needs) or 'nothing'}")
        return
    if unknown := [name for name in target if name not in {*TARGETS, *(stage.name for stage in known)}]:
        raise click.UsageError(f"no stage {unknown[0]}; there are {', '.join([*TARGETS, *(s.name for s in known)])}")
    wanted = [name for t in target or ("all",) for name in TARGETS.get(t, (t,))]
    try:
        build(known, wanted, place.made, dry=dry_run)
    except (HandsegError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
