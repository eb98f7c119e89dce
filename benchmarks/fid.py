"""Time and agreement of the Fréchet distance compared with pytorch-fid's.

    python benchmarks/fid.py --write                # the tables of benchmarks/fid.md, 6 minutes
    python benchmarks/fid.py --dims 1280 --images 0

Both compute the distance of the same two Gaussians, in turn in one process, from statistics that
are in memory; the ratio peer / ours is taken in every round. Also the rate of the feature extractor
efficientnet-lite0, and how its image size was chosen. Needs an otherwise idle machine and
`pip install -c constraints.txt -e ".[benchmarks]"`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from page import processor, write_tables
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from pipeline.evaluation import perceptual_features
from pipeline.evaluation.fid import (
    FeatureStatistics,
    FrechetReference,
    KernelReference,
    feature_statistics,
)
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.rendering.animals import render_animals, sample_animals
from pipeline.runtime.allocator import keep_freed_memory
from pipeline.torchvision_compat import torchvision

assert torchvision  # before pytorch-fid, which imports torchvision by itself
from pytorch_fid.fid_score import calculate_frechet_distance  # noqa: E402

PAGE = Path(__file__).with_name("fid.md")


def features_like_a_network(count: int, dims: int, seed: int) -> np.ndarray:
    """Correlated features whose variances fall over three orders of magnitude."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(dims, dims)) / np.sqrt(dims)
    scales = np.exp(-3.5 * np.arange(dims) / dims)
    return (rng.normal(size=(count, dims)) * scales) @ mixing + 0.02 * seed


def peer(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """Distance by pytorch-fid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return float(
            calculate_frechet_distance(first.mean, first.covariance, second.mean, second.covariance)
        )


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def spread(ratios: list[float]) -> str:
    """Median and range."""
    return f"{np.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"


def distance_row(dims: int, count: int, threads: int, rounds: int) -> str:
    """One row of the table of distances."""
    first, second = (
        feature_statistics(features_like_a_network(count, dims, seed)) for seed in (1, 2)
    )
    reference = FrechetReference(first)
    once, again, theirs, errors = [], [], [], []
    for _ in range(rounds):
        seconds, expected = timed(lambda: peer(first, second))
        theirs.append(seconds)
        seconds, found = timed(lambda: FrechetReference(first).distance(second))
        once.append(seconds)
        errors.append(abs(found / expected - 1))
        again.append(timed(lambda: reference.distance(second))[0])
    ratios, ratios_again = (
        [peers / ours for peers, ours in zip(theirs, column, strict=True)]
        for column in (once, again)
    )
    return (
        f"| {dims} | {count} | {threads} | {np.median(theirs):.2f} | {np.median(once):.2f} "
        f"| {spread(ratios)} | {np.median(again):.2f} | {spread(ratios_again)} "
        f"| {max(errors):.0e} |"
    )


def kernel_line(count: int = 2000, dims: int = 1280) -> str:
    """How long KID takes."""
    first, second = (features_like_a_network(count, dims, seed) for seed in (1, 2))
    reference = KernelReference(first)
    seconds = min(timed(lambda: reference.distance(second))[0] for _ in range(3))
    return (
        f"KID, for {count:,} images with {dims:,} features: {seconds:.2f} s for each comparison "
        "with one reference."
    )


def degraded(images: np.ndarray, others: np.ndarray, species: np.ndarray) -> dict[str, np.ndarray]:
    """Named versions of `images`, from nearly right to useless."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    basis = others.reshape(len(others), -1).astype(np.float32)
    mean = basis.mean(0)
    axes = np.linalg.svd(basis[:1000] - mean, full_matrices=False)[2]
    versions = {"real": images}
    for sigma in (0.7, 1.2):
        versions[f"blur {sigma} px"] = gaussian_filter(images, (0, sigma, sigma, 0))
    for count in (400, 30):
        found = (flat - mean) @ axes[:count].T @ axes[:count] + mean
        found = found.clip(0, 255).round().astype(np.uint8)
        versions[f"{count} principal axes"] = found.reshape(images.shape)
    means = np.empty_like(images)
    for name in np.unique(species[0]):
        means[species[0] == name] = others[species[1] == name].mean(0).round()
    versions["class means"] = means
    return versions


def size_rows(count: int) -> list[str]:
    """One row per image size: rate, distance of real images, multiples of it."""
    factors = sample_animals(3 * count, seed=5)
    reference, images, others = render_animals(factors, 64).reshape(3, count, 64, 64, 3)
    species = factors["species"].to_numpy(dtype=str).reshape(3, count)[1:]
    versions = degraded(images, others, species)
    extractor = load_extractor("efficientnet-lite0")
    rows = ["| size | images/s | real | " + " | ".join(list(versions)[1:]) + " |"]
    rows.append("|" + "---|" * (len(versions) + 2))
    for size in (64, 96, 128):
        perceptual_features.EFFICIENTNET_SIZE = size
        seconds, _ = timed(lambda: float(extractor.extract(images[:480]).sum()))
        root = FrechetReference(feature_statistics(extractor.extract(reference)))
        found = [
            root.distance(feature_statistics(extractor.extract(one))) for one in versions.values()
        ]
        cells = " | ".join(f"x {distance / found[0]:.1f}" for distance in found[1:])
        rows.append(f"| {size} px | {480 / seconds:.0f} | {found[0]:.0f} | {cells} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, nargs="+", default=[1280, 2048])
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 5000], help="images")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1500, help="for the sizes; 0: leave out")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args()
    keep_freed_memory()

    versions = [f"{name} {version(name)}" for name in ("numpy", "scipy", "torch", "pytorch-fid")]
    lines = [
        f"{processor()}, {options.rounds} rounds; {', '.join(versions)}.",
        "",
        "| features | images | threads | pytorch-fid, s | ours, s | ratio | reference prepared, s "
        "| ratio | relative difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for dims in options.dims:
        for count in options.counts:
            for threads in options.threads:
                with threadpool_limits(threads):
                    lines.append(distance_row(dims, count, threads, options.rounds))
                print(lines[-1], flush=True)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        lines += ["", "On one thread:", "", kernel_line()]
        print(lines[-1], flush=True)
        if options.images:
            lines += ["", *size_rows(options.images)]
    if options.write:
        write_tables(PAGE, lines)


if __name__ == "__main__":
    main()
