"""Fig. S10, and the chart of what varies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.drawing.layer_samples import draw_layers, draw_variances

__all__ = ["draw"]


def draw(numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Figure]:
    """The figures by file stem."""
    return {"figS10": draw_layers(arrays, numbers), "variances": draw_variances(arrays, numbers)}
