"""torchvision imports, whatever build of torch it meets, and what the pipeline uses works."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from pipeline.torchvision_compat import torchvision

CODE = """
import sys
try:
    import torchvision
except RuntimeError as error:
    assert "torchvision::nms" in str(error)
from pipeline.torchvision_compat import torchvision as first
from pipeline.torchvision_compat import torchvision as second
import torchvision
assert first is second is torchvision is sys.modules["torchvision"]
"""


def test_import_after_a_failed_import(repository: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)


def test_squeezenet_and_its_layer() -> None:
    torch.manual_seed(0)
    net = torchvision.models.squeezenet1_1(num_classes=10).eval()
    with torch.no_grad():
        layer = net.features[:12](torch.rand(2, 3, 28, 28))
        assert layer.shape == (2, 512, 1, 1)  # features.11 of params.yaml
        assert net(torch.rand(2, 3, 28, 28)).shape == (2, 10)


def test_make_grid() -> None:
    grid = torchvision.utils.make_grid(torch.rand(4, 3, 8, 8), nrow=2, padding=0)
    assert grid.shape == (3, 16, 16)
