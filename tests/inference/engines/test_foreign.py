"""The blog's own models in handseg, and handseg's in the blog's own code."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")
import itertools

from torch import nn

from handseg import HandSegmentationPipeline, load
from handseg.errors import HandsegError, ModelError
from handseg.image import resize
from handseg.inference.engines import open_engine
from handseg.nets import UNet

SIZE = 64


class Block(nn.Module):
    """Two convolutions; with normalisation or without, as code on the web has it."""

    def __init__(self, a: int, b: int, norm: bool, bias: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n in (a, b):
            layers += [nn.Conv2d(n, b, 3, padding=1, bias=bias), *([nn.BatchNorm2d(b)] if norm else []), nn.ReLU()]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.conv(x)


class BlogNet(nn.Module):
    """A U-Net as the blog's, trained with nn.BCELoss: it ends in a sigmoid. The decoder is declared first."""

    def __init__(self, widths: tuple[int, ...] = (4, 8), norm: bool = True, bias: bool = False, out: int = 1) -> None:
        super().__init__()
        self.ups, self.downs, self.pool = nn.ModuleList(), nn.ModuleList(), nn.MaxPool2d(2)
        for a, b in zip((3, *widths), widths):
            self.downs.append(Block(a, b, norm, bias))
        for b in reversed(widths):
            self.ups += [nn.ConvTranspose2d(2 * b, b, 2, 2), Block(2 * b, b, norm, bias)]
        self.bottleneck = Block(widths[-1], 2 * widths[-1], norm, bias)
        self.final_conv = nn.Conv2d(widths[0], out, 1)

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, block, skip in zip(self.ups[::2], self.ups[1::2], reversed(skips)):
            x = block(torch.cat([skip, up(x)], 1))
        return torch.sigmoid(self.final_conv(x))


def blog_net(**options) -> BlogNet:
    """One whose batch normalisation has seen something, and whose answers are of both kinds."""
    torch.manual_seed(0)
    net = BlogNet(**options)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    nn.init.normal_(net.final_conv.weight, std=4)
    logits: list = []
    handle = net.final_conv.register_forward_hook(lambda _, __, output: logits.append(output))
    blog_predict(net.eval(), picture())
    handle.remove()
    scale = 2 / logits[0].std()
    net.final_conv.weight.data *= scale
    net.final_conv.bias.data = (net.final_conv.bias.data - logits[0].median()) * scale
    return net


def blog_predict(net, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As the blog does it: resize, divide by 255, run, threshold. The network's mask, and probability."""
    x = torch.from_numpy(resize(image, SIZE, SIZE).astype(np.float32) / 255).permute(2, 0, 1).unsqueeze(0)
    with torch.no_grad():
        probability = net(x)
    return (probability.squeeze().numpy() > 0.45).astype(np.uint8) * 255, probability.numpy()


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


class Ends(nn.Module):
    """A network that finds red, up to how it ends."""

    def __init__(self, end: Callable) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 1)
        nn.init.constant_(self.head.weight, 0.0)
        nn.init.constant_(self.head.weight[:, 0], 8.0)
        nn.init.constant_(self.head.bias, -4.0)
        self.end = end

    def forward(self, x):
        return self.end(self.head(x))


def script(path: Path, end: Callable, *, half: bool = False, size: int = SIZE) -> Path:
    kind = torch.half if half else torch.float
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 3, size, size, dtype=kind)
        torch.jit.trace(Ends(end).eval().to(kind), example, check_trace=False, strict=False).save(str(path))
    return path


def red_on_black() -> np.ndarray:
    image = np.zeros((90, 120, 3), np.uint8)
    image[20:70, 30:100, 0] = 255
    return image


def predict(path: Path, image: np.ndarray, **options) -> np.ndarray:
    return HandSegmentationPipeline(path, input_size=(SIZE, SIZE), **options).predict(image)


GOOD = {
    "a probability": (torch.sigmoid, {}),
    "logits": (lambda x: x, {"output": "logits"}),
    "no batch": (lambda x: x.sigmoid()[0], {}),
    "no channel": (lambda x: x.sigmoid()[:, 0], {}),
    "channels last": (lambda x: x.sigmoid().permute(0, 2, 3, 1), {}),
    "a mask of integers": (lambda x: (x > 0).long(), {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_bare_file_gives_the_mask_that_it_means(tmp_path: Path, name: str) -> None:
    end, options = GOOD[name]
    path = script(tmp_path / "blog.pt", end)
    mask = predict(path, red_on_black(), **options)
    assert mask.shape == (90, 120)
    assert mask[45, 65] == 255
    assert mask[5, 5] == 0
    with pytest.raises(ModelError, match="carries no model card"):
        open_engine(path)


def test_weights_in_half_precision_run(tmp_path: Path) -> None:
    assert predict(script(tmp_path / "half.pt", torch.sigmoid, half=True), red_on_black())[45, 65] == 255


BAD = {
    "logits taken for a probability": (lambda x: x, {}, r'-4 to 4.*aren\'t probabilities.*output="logits"'),
    "a probability taken for logits": (torch.sigmoid, {"output": "logits"}, r'look like prob.*output="probability"'),
    "not a number": (lambda x: x * float("nan"), {}, "aren't finite"),
    "two classes": (lambda x: torch.cat([-x, x], 1).softmax(1), {}, r"returns 1×2×64×64 .*softmax\(1\)\[:, 1:2\]"),
    "a tuple": (lambda x: (x.sigmoid(), x), {}, "returns a tuple"),
    "a dict": (lambda x: {"out": x.sigmoid()}, {}, "returns a dict"),
    "half the size": (lambda x: nn.functional.avg_pool2d(x, 2), {}, "returns 1×1×32×32 .*enlarge it"),
    "a fixed size": (lambda x: x + torch.zeros(1, 1, 48, 48), {}, "fails on an input of 1×3×64×64 .*input_size"),
    "an output unheard of": (torch.sigmoid, {"output": "mask"}, "choose one of probability, logits"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_contradicts_the_output_is_an_error_and_no_mask(tmp_path: Path, name: str) -> None:
    end, options, message = BAD[name]
    path = script(tmp_path / "blog.pt", end, size=48 if name == "a fixed size" else SIZE)
    with pytest.raises(ModelError, match=message):
        predict(path, red_on_black(), **options)


@pytest.mark.parametrize("options", [{}, {"bias": True}, {"norm": False, "bias": True}, {"widths": (4, 8, 16)}])
def test_weights_of_the_blogs_network_give_its_own_answers(tmp_path: Path, options: dict) -> None:
    net = blog_net(**options)
    torch.save(net.state_dict(), tmp_path / "unet.pth")
    expected, probability = blog_predict(net, picture())
    assert 0 < expected.mean() < 255
    pipeline = HandSegmentationPipeline(tmp_path / "unet.pth", input_size=(SIZE, SIZE))
    assert np.abs(pipeline.segmenter.engine.run(picture()[None]) - probability).max() < 1e-5
    assert np.array_equal(pipeline.predict(picture()), expected)


class Up(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(a, b, 2, 2), Block(a, b, norm=True, bias=False)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class CommonNet(nn.Module):
    """A U-Net by the names of the implementation that is copied most."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, 4, 8, 16, 32)
        self.inc = Block(3, widths[0], norm=True, bias=False)
        for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
            down = nn.Module()
            down.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Block(a, b, norm=True, bias=False))
            self.add_module(f"down{i}", down)
            self.add_module(f"up{5 - i}", Up(b, a))
        self.outc = nn.Module()
        self.outc.conv = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x = [self.inc(x)]
        for i in range(1, 5):
            x.append(getattr(self, f"down{i}").maxpool_conv(x[-1]))
        y = x.pop()
        for i in range(1, 5):
            y = getattr(self, f"up{i}")(y, x.pop())
        return torch.sigmoid(self.outc.conv(y))


def test_weights_by_the_names_of_common_code_give_its_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = CommonNet().eval()
    torch.save(net.state_dict(), tmp_path / "unet.pth")
    engine = HandSegmentationPipeline(tmp_path / "unet.pth", input_size=(SIZE, SIZE)).segmenter.engine
    _, probability = blog_predict(net, picture())
    assert np.abs(engine.run(picture()[None]) - probability).max() < 1e-5
    assert probability.std() > 0


WRAPPED = {
    "in a checkpoint": lambda s: {"epoch": 3, "model": s, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    "of DataParallel": lambda s: {f"module.{name}": value for name, value in s.items()},
    "of Lightning": lambda s: {"state_dict": {f"model.{n}": v for n, v in s.items()}, "hyper_parameters": {"lr": 1}},
    "in half precision": lambda s: {name: value.half() for name, value in s.items()},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_weights_are_found(tmp_path: Path, name: str) -> None:
    net = blog_net()
    torch.save(WRAPPED[name](net.state_dict()), tmp_path / "unet.pth")
    expected, _ = blog_predict(net, picture())
    assert (predict(tmp_path / "unet.pth", picture()) != expected).mean() < 0.01


def archive(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, "content")


class Evil:
    """What a pickle may do."""

    def __reduce__(self):
        return Path.touch, (Path("evil"),)


FILES = {
    "a whole network": (lambda path: torch.save(blog_net(), path), "runs no code of a file: save network.state_dict"),
    "a pickle that acts": (lambda path: torch.save({"a": Evil()}, path), "runs no code of a file"),
    "other weights": (lambda path: torch.save(nn.Conv2d(3, 1, 1).state_dict(), path), "weights without the network"),
    "two channels": (lambda path: torch.save(blog_net(out=2).state_dict(), path), "one output channel"),
    "an optimizer": (lambda path: torch.save({"lr": 0.1}, path), "holds no weights"),
    "a run of handseg": (
        lambda path: torch.save({"hyper_parameters": {"recipe": {}}, "state_dict": {}}, path),
        "make a model of it with: handseg export",
    ),
    "text": (lambda path: path.write_text("hello"), "not a"),
    "nothing": (lambda path: path.write_bytes(b""), "empty"),
    "a pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "half a file": (
        lambda path: (torch.save(blog_net().state_dict(), path), path.write_bytes(path.read_bytes()[:3000])),
        "damaged or cut short",
    ),
    "Keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5"),
    "safetensors": (lambda path: path.write_bytes(b"\x02" + bytes(7) + b"{}" + bytes(9)), "safetensors"),
    "a program": (lambda path: archive(path, "m/archive_format"), "torch.export"),
    "an archive": (lambda path: archive(path, "readme.txt"), "no model"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("opened", [HandSegmentationPipeline, load])
def test_a_file_that_cannot_be_run_says_what_it_is(
    tmp_path: Path, name: str, opened: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write, message = FILES[name]
    path = tmp_path / "model.pt"
    write(path)
    with pytest.raises(HandsegError) as error:
        opened(path)
    assert str(path) in str(error.value)
    if opened is load and "weights, not a model" in str(error.value):
        message = "make one of it with: handseg export"
    assert message in str(error.value)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("forearm", [False, True])
def test_an_exported_file_runs_in_the_blogs_predict(tmp_path: Path, forearm: bool) -> None:
    """Also of a model that gives more than the hand; at a size that no stride divides, too."""
    from handseg.export.export import export
    from handseg.training.module import HandModule
    from handseg.training.recipe import Recipe

    torch.manual_seed(0)
    table = {"architecture": "UNet", "widths": [4, 8], "forearm": forearm}
    module = HandModule(Recipe.from_dict({"name": "t", "network": table, "input": {"size": [64, 64]}}).to_dict())
    nn.init.normal_(module.net.head.weight, std=4)
    export(module.eval(), tmp_path / "model.pt", [picture()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        net = torch.jit.load(tmp_path / "model.pt")
    mask, probability = blog_predict(net, picture())
    assert probability.shape == (1, 1, SIZE, SIZE)
    own = load(tmp_path / "model.pt", second_look=False, threshold=0.45)(picture())
    assert np.abs(own.probability - probability[0, 0]).max() < 1e-5
    assert (mask != own.mask).mean() < 0.01
    assert net(torch.rand(2, 3, 50, 71)).shape == (2, 1, 50, 71)
    with pytest.raises(ModelError, match="its card says that it returns probabilities"):
        HandSegmentationPipeline(tmp_path / "model.pt", output="logits")


def test_the_blogs_weights_become_a_model_and_a_start(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from handseg.cli import main
    from handseg.image import save_png
    from handseg.training.module import HandModule
    from handseg.training.recipe import Recipe
    from handseg.training.start import Start, start_from

    net, path = blog_net(), tmp_path / "unet.pth"
    torch.save(net.state_dict(), path)
    save_png(tmp_path / "images" / "a.png", picture())
    result = CliRunner().invoke(
        main, ["export", str(path), "-o", str(tmp_path / "unet.pt"), "--check", str(tmp_path / "images")]
    )
    assert result.exit_code == 0, result.output
    card = load(tmp_path / "unet.pt").card
    assert (card.size, card.resize, card.threshold, card.name) == ((256, 256), "stretch", 0.45, "unet")

    result = CliRunner().invoke(main, ["export", str(tmp_path / "unet.pt"), "-o", str(tmp_path / "again.onnx")])
    assert result.exit_code == 1
    assert "unet.pt: not weights that torch.save wrote" in result.output

    recipe = Recipe.load("blog")
    table = {**recipe.to_dict(), "network": {"architecture": "UNet", "widths": [4, 8]}}
    module = HandModule(table)
    assert start_from(module, Start.read(path), []) == "network"
    pixels = torch.from_numpy(picture()).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = net(pixels.float() / 255)
        assert torch.allclose(module.eval()(pixels).sigmoid(), expected, atol=1e-5)


def test_weights_by_handsegs_own_names_load_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = UNet(3, 1, (4, 8)).eval()
    torch.save(net.state_dict(), tmp_path / "own.pth")
    engine = HandSegmentationPipeline(tmp_path / "own.pth", input_size=(SIZE, SIZE)).segmenter.engine
    with torch.no_grad():
        expected = net(torch.from_numpy(picture()).permute(2, 0, 1)[None].float() / 255).sigmoid().numpy()
    assert np.abs(engine.run(picture()[None]) - expected).max() < 1e-5
