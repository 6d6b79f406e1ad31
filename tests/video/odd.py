"""Videos that are odd or broken, made on the spot; and, run as a module, what `handseg predict` does with each.

python -m tests.video.odd
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.video.conftest import av, make_clip, mux_beep, square

FRAMES = 20


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def scratch(path: Path) -> None:
    """Overwrite a stretch in the middle."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        mux_beep(container, container.add_stream("aac", rate=48000), 1.0, (0.4, 0.5))


def long_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        for i in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(square(i), "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode())
        mux_beep(container, sound, 3.0, (0.4, 0.5))


def grey(path: Path) -> None:
    make_clip(path, FRAMES, codec="ffv1", pixels="gray")


def clip(**options: object) -> Callable[[Path], object]:
    return lambda path: make_clip(path, **{"frames": FRAMES, **options})  # type: ignore[arg-type]


def renamed(suffix: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Made under another suffix than the one it gets."""

    def run(path: Path) -> None:
        real = path.with_suffix(suffix)
        make(real)
        real.rename(path)

    return run


def broken(make: Callable[[Path], object], spoil: Callable[[Path], None]) -> Callable[[Path], object]:
    def run(path: Path) -> None:
        make(path)
        spoil(path)

    return run


uneven = [0.0, 0.04, 0.05, 0.3, 0.31, *(0.5 + 0.1 * i for i in range(FRAMES - 5))]

# File name → what it is, how it is made, and how many frames are done; None: all; 0: an error and nothing.
ODD: dict[str, tuple[str, Callable[[Path], object], int | None]] = {
    "zero.mp4": ("zero bytes", lambda p: p.write_bytes(b""), 0),
    "text.mp4": ("text", lambda p: p.write_text("no video\n" * 100), 0),
    "picture.mp4": (
        "a JPEG, taken for the picture that it is",
        renamed(".jpg", lambda p: Image.fromarray(square(0)).save(p)),
        1,
    ),
    "sound.mp4": ("sound alone", audio_only, 0),
    "one.mp4": ("one frame", clip(frames=1), 1),
    "tiny.mkv": ("2×2 pixels", clip(codec="ffv1", pixels="yuv444p", size=(2, 2)), None),
    "odd.mkv": ("127×95 pixels", clip(codec="ffv1", pixels="yuv444p", size=(95, 127)), None),
    "long.mkv": ("100 times as wide as high", clip(codec="ffv1", pixels="yuv444p", size=(4, 400)), 0),
    "ten_bit.mp4": ("10-bit HEVC", clip(codec="libx265", pixels="yuv420p10le"), None),
    "alpha.mov": ("ProRes 4444 with alpha", clip(codec="prores_ks", pixels="yuva444p10le"), None),
    "full_chroma.mp4": ("H.264 4:4:4", clip(pixels="yuv444p"), None),
    "grey.mkv": ("grey, FFV1", grey, None),
    "rotated.mp4": ("rotated by its metadata", clip(rotation=90), None),
    "uneven.mkv": ("variable frame rate", clip(times=uneven), None),
    "late.mkv": ("begins at 100 s", clip(times=[100 + i / 25 for i in range(FRAMES)]), None),
    "stream.ts": ("MPEG transport stream, MPEG-2", clip(codec="mpeg2video"), None),
    "old.avi": ("AVI, Motion JPEG", clip(codec="mjpeg", pixels="yuvj420p"), None),
    "webm.mp4": ("WebM named .mp4", renamed(".webm", clip(codec="libvpx-vp9")), None),
    "sound_goes_on.mp4": ("sound longer than the pictures", long_sound, None),
    "no_end.mkv": ("Matroska, second half missing", broken(clip(frames=60), lambda p: cut(p, 0.5)), -1),
    "no_end.mp4": (
        "MP4 with its index in front, second half missing",
        broken(clip(frames=60, options={"movflags": "faststart"}), lambda p: cut(p, 0.6)),
        -1,
    ),
    "no_index.mp4": ("MP4 with its index at the end, which is missing", broken(clip(), lambda p: cut(p, 0.6)), 0),
    "scratched.mkv": ("600 bytes in the middle overwritten", broken(clip(frames=60), scratch), -1),
    "folder.mp4": ("a folder", lambda p: p.mkdir(), 0),
}


def make_all(folder: Path) -> None:
    for name, (_, make, _) in ODD.items():
        make(folder / name)


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        folder, out = Path(root) / "in", Path(root) / "out"
        folder.mkdir()
        make_all(folder)
        print("| file | what it is | frames done | what is said | exit |\n| --- | --- | ---: | --- | ---: |")
        for name, (what, _, _) in ODD.items():
            command = [
                sys.executable,
                "-m",
                "handseg",
                "predict",
                name,
                "-o",
                str(out / name),
                "--save",
                "mask,overlay",
            ]
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            said = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
            done = sum(not path.stem.endswith("_overlay") for path in (out / name).glob("**/*.png"))
            print(f"| {name} | {what} | {done} | {' '.join(f'`{line}`' for line in said)} | {result.returncode} |")


if __name__ == "__main__":
    main()
