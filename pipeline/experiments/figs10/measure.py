"""Arrays and numbers of Fig. S10."""

from pipeline.evaluation.layer_samples import measure_layers as measure

__all__ = ["measure"]
