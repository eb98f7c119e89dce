"""Import torchvision also next to a CPU-only torch.

PyPI's torchvision links its compiled operators against CUDA. With a CPU-only torch they do not
load, and `import torchvision` fails while it registers shape functions for two of them. Declaring
these two operators first makes the import succeed, and everything works but torchvision.io,
deform_conv2d and the fast roi_align. Where torchvision imports by itself, nothing is changed.

Use as `from pipeline.torchvision_compat import torchvision`.
"""

import importlib
import sys
from types import ModuleType

import torch

from pipeline.errors import PipelineError

__all__ = ["torchvision"]

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []  # keeps the operators alive


def _import_torchvision() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise PipelineError("torchvision is not installed; run `make install`.") from error
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # partially imported
    library = torch.library.Library("torchvision", "DEF")
    for operator in _OPERATORS:
        library.define(operator)
    _libraries.append(library)
    return importlib.import_module("torchvision")


torchvision = _import_torchvision()
