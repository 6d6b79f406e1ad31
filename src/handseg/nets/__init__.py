"""Networks: pure `nn.Module`s, normalised RGB in, logits out."""

from handseg.nets.encoder_unet import EncoderUNet
from handseg.nets.unet import UNet

__all__ = ["EncoderUNet", "UNet"]
