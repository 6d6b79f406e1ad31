"""handseg info: what is installed here, and what it can do."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from handseg import __version__

# What each extra brings: the first of its packages that is looked for, by its name on PyPI and as a module.
EXTRAS = {
    "video": ("av", "av"),
    "heif": ("pi-heif", "pi_heif"),
    "openvino": ("openvino", "openvino"),
    "serve": ("fastapi", "fastapi"),
    "train": ("lightning", "lightning"),
    "export": ("onnxscript", "onnxscript"),
    "supervision": ("supervision", "supervision"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
}
RUNTIME = ("numpy", "pillow", "onnxruntime")


@click.command(name="info")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(as_json: bool) -> None:
    """Say which versions, engines, devices and models there are: what belongs into a report of a fault."""
    found = _collect()
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"handseg {found['handseg']}, Python {found['python']}, {found['system']}")
    click.echo("packages")
    for name, number in found["packages"].items():
        click.echo(f"  {name} {number}")
    click.echo("engines")
    for name, devices in found["engines"].items():
        click.echo(f"  {name}: {', '.join(devices) if isinstance(devices, list) else devices}")
    click.echo("extras")
    for name, number in found["extras"].items():
        click.echo(f"  {name}: {number or f'not installed (pip install handseg[{name}])'}")
    click.echo("models")
    for model in found["models"]:
        click.echo(f"  {model['name']}: version {model['version']}, {model['megabytes']} MB, {model['file']}")


def _collect() -> dict[str, Any]:
    from handseg.inference.engines import find_model, open_engine, packaged_models

    models = []
    for name in packaged_models():
        path = find_model(name)
        size = round(path.stat().st_size / 1e6, 1)
        models.append({"name": name, "version": open_engine(name).card.version, "megabytes": size, "file": str(path)})
    return {
        "handseg": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) or "missing" for name in RUNTIME},
        "engines": _engines(),
        "extras": {extra: _version(package, module) for extra, (package, module) in EXTRAS.items()},
        "models": models,
    }


def _engines() -> dict[str, list[str] | str]:
    """Of each engine the devices that it has here, or what to install."""
    import onnxruntime

    from handseg.inference.engines.onnx import PROVIDERS

    available = onnxruntime.get_available_providers()
    engines: dict[str, list[str] | str] = {
        "onnxruntime": [device for device, provider in PROVIDERS.items() if provider in available],
    }
    for name in ("openvino", "openvino-bf16"):
        engines[name] = _openvino(name)
    engines["torchscript"] = _torch()
    return engines


def _openvino(name: str) -> list[str] | str:
    try:
        import openvino
    except ImportError:
        return "not installed (pip install handseg[openvino])"
    if name == "openvino-bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "this CPU has no bfloat16"
    return ["cpu"]


def _torch() -> list[str] | str:
    from handseg.inference.engines.torchscript import devices

    return devices() or "not installed (pip install handseg[train])"


def _version(package: str, module: str = "") -> str | None:
    """None where it isn't installed."""
    try:
        return f"{package} {version(package)}" if module else version(package)
    except PackageNotFoundError:
        return package if module and find_spec(module) is not None else None
