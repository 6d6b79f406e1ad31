"""handseg models: what comes with the package."""

from __future__ import annotations

import click


@click.command(name="models")
def command() -> None:
    """List the packaged models and their cards."""
    from handseg.inference.engines import find_model, open_engine, packaged_models

    for name in packaged_models():
        card = open_engine(name).card
        size = find_model(name).stat().st_size / 1e6
        click.echo(f"{name}  {card.network}, {size:.1f} MB, version {card.version}")
        click.echo(f"  input: {card.size[1]}×{card.size[0]} ({card.resize}), threshold {card.threshold:g}")
        click.echo(f"  label policies: {', '.join(card.policies)}")
        click.echo(f"  learned from: {', '.join(card.training_data)}")
        for protocol, scores in card.scores.items():
            click.echo(f"  {protocol}: {scores}")
        if card.notes:
            click.echo(f"  {card.notes}")
