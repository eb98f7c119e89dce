"""Data sets as `prepare` writes them, in two parts, and as one array and table."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.parts import PARTS, rows_of_parts
from pipeline.storage import write_npy, write_parquet


def write_parts(folder: Path, pixels: np.ndarray, truth: pd.DataFrame) -> None:
    """Write images (R, H, W, 3) uint8 and their ground truth, each split into its part."""
    for part, rows in rows_of_parts(truth).items():
        write_npy(folder / part / "images.npy", pixels[rows])
        frame = truth.iloc[rows].reset_index(drop=True)
        write_parquet(folder / part / "ground_truth.parquet", frame)


def read_truth(folder: Path) -> pd.DataFrame:
    """The ground truth of all parts, images to learn from first."""
    files = (folder / part / "ground_truth.parquet" for part in PARTS)
    return pd.concat([pd.read_parquet(file) for file in files if file.exists()], ignore_index=True)


def read_pixels(folder: Path) -> np.ndarray:
    """The images of all parts, in the order of `read_truth`."""
    files = (folder / part / "images.npy" for part in PARTS)
    return np.concatenate([np.load(file) for file in files if file.exists()])
