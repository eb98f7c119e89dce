"""How tables say what a Fréchet distance was measured on, and in whose features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["distance_columns", "distance_note", "run_columns"]

NETWORKS = {"FID": "Inception v3", "FID-EN0": "EfficientNet-Lite0"}
"""Whose features a Fréchet distance is measured in, by what it is called."""

FLOORS = {"real": "real images", "reconstruction": "reconstructions"}

Columns = dict[str, str | int | float]


def run_columns(numbers: Mapping[str, Any]) -> Columns:
    """Constant columns of a csv file: scale, seed, number of images and their size in pixels."""
    names = {"scale": "scale", "seed": "seed", "N": "images", "px": "size"}
    return {name: numbers[key] for name, key in names.items()}


def distance_columns(
    numbers: Mapping[str, Any], floors: Mapping[str, Mapping[str, float]]
) -> Columns:
    """Constant columns that say in which features distances are measured, and their floors.

    Args:
        numbers: with the entries label and preparation.
        floors: {"real": {"fid", "kid"}, "reconstruction": {"fid", "kid"}}, the distances of other
            real images and of reconstructions D(E(x)).
    """
    label = numbers["label"]
    extractor = f"{NETWORKS[label]} at {numbers['preparation']}"
    return {"extractor": extractor} | {
        f"floor {name}, {words}": floors[kind][metric]
        for metric, name in (("fid", label), ("kid", "KID × 1000"))
        for kind, words in FLOORS.items()
    }


def distance_note(numbers: Mapping[str, Any]) -> str:
    """A sentence that says in which features distances are measured."""
    label = numbers["label"]
    other = "" if label == "FID" else " Its scale differs from that of the paper's FID."
    return (
        f"{label}: Fréchet distance of {NETWORKS[label]}'s features at {numbers['preparation']}."
        f"{other}"
    )
