"""Every check of schemathesis against a running service: `python -m tests.service.api_check`.

It needs `pip install schemathesis`. What is no image is refused with 400, which OpenAPI can't say; so images are drawn
from real files.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys

from tests.service.running import HAND, Service

if "schemathesis" in sys.modules or os.environ.get("SCHEMATHESIS_HOOKS"):
    import io

    import schemathesis
    from hypothesis import strategies
    from PIL import Image

    def _file(kind: str) -> bytes:
        file = io.BytesIO()
        Image.open(HAND).resize((96, 64)).save(file, kind)
        return file.getvalue()

    FILES = strategies.sampled_from([_file("JPEG"), _file("PNG"), _file("WEBP")])
    schemathesis.openapi.media_type("image/*", FILES)
    schemathesis.openapi.format("binary", FILES)
    schemathesis.openapi.format("base64", FILES.map(lambda file: base64.b64encode(file).decode()))


RUN = "import sys; from schemathesis.cli import schemathesis; sys.argv[0] = 'schemathesis'; schemathesis()"


def main() -> int:
    running = Service("--add-model", "nano-int8", "--max-waiting", "20")
    address = f"http://127.0.0.1:{running.port}/openapi.json"
    command = [
        "schemathesis",
        "run",
        address,
        "--checks",
        "all",
        "--max-examples",
        sys.argv[1] if sys.argv[1:] else "50",
    ]
    try:
        environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.service.api_check"}
        return subprocess.run([sys.executable, "-c", RUN, *command[1:]], env=environment, check=False).returncode
    finally:
        running.stop()


if __name__ == "__main__":
    sys.exit(main())
