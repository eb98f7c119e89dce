"""Fréchet and kernel distances of sets of images from one set of reference images."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.fid import (
    FrechetInfluence,
    FrechetReference,
    KernelReference,
    feature_statistics,
    frechet_influence,
)
from pipeline.evaluation.perceptual_features import FeatureExtractor

__all__ = ["ImageDistances"]


class ImageDistances:
    """Measures how far sets of images are from reference images (R, H, W, 3) uint8."""

    def __init__(self, extractor: FeatureExtractor, reference: np.ndarray) -> None:
        features = extractor.extract(reference)
        self.extractor = extractor
        self._reference = features
        self._frechet = FrechetReference(feature_statistics(features))
        self._kernel = KernelReference(features)

    def __call__(self, images: np.ndarray) -> dict[str, float]:
        """`fid` and `kid`, the latter times 1000, of images (Q, H, W, 3) uint8."""
        features = self.extractor.extract(images)
        fid = self._frechet.distance(feature_statistics(features))
        return {"fid": fid, "kid": 1000 * self._kernel.distance(features)}

    def with_influence(self, images: np.ndarray) -> tuple[dict[str, float], FrechetInfluence]:
        """The same of images (Q, H, W, 3) uint8, and what each image does to `fid`."""
        features = self.extractor.extract(images)
        found = frechet_influence(self._reference, features)
        return {"fid": found.distance, "kid": 1000 * self._kernel.distance(features)}, found
