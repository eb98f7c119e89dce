"""Arrays and numbers of Fig. 3."""

from pipeline.evaluation.layer_samples import measure_layers as measure

__all__ = ["measure"]
