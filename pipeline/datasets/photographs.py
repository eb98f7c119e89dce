"""Photographs as files: checking them, decoding them, and cropping them to squares."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pipeline.datasets.parts import rows_of_parts
from pipeline.errors import PipelineError
from pipeline.storage import write_parquet

__all__ = ["check_images", "load_images", "upright", "write_photographs"]

CHUNK = 512  # images in memory at once


def check_images(paths: Iterable[Path], min_side: int, threads: int, section: str) -> None:
    """Read the header of every file: is it an image whose sides have at least `min_side` pixels?

    section: the settings that error messages name. Raises PipelineError, which names the first file
    at fault and counts the others.
    """

    def shorter_side(path: Path) -> int | Exception:
        try:
            with Image.open(path) as image:
                return min(image.size)
        except Exception as error:  # each format has its own for damaged files
            return error

    paths = list(paths)
    with _quiet(), ThreadPoolExecutor(threads) as pool:
        found = list(zip(paths, pool.map(shorter_side, paths), strict=True))
    broken = [(path, side) for path, side in found if isinstance(side, Exception)]
    if broken:
        raise _unreadable(*broken[0], others=len(broken) - 1)
    small = [(path, side) for path, side in found if isinstance(side, int) and side < min_side]
    if small:
        path, side = small[0]
        others = f" (and {len(small) - 1} more are too small)" if len(small) > 1 else ""
        raise PipelineError(
            f"the shorter side of {path} has {side} pixels, fewer than {min_side}{others}: remove "
            f"such images, or set {section}.min_side to {min(side for _, side in small)} to "
            "enlarge them."
        )


def write_photographs(
    folder: Path,
    chosen: pd.DataFrame,
    columns: Sequence[str],
    place: np.ndarray,
    size: int,
    threads: int,
    crop: int | None = None,
) -> None:
    """Write what `load_images` decodes as images.npy (R, size, size, 3) uint8 of each part.

    chosen: a row per image, with the columns split and path; those named in `columns` become
    ground_truth.parquet. place and crop: see `load_images`.
    """
    for part, rows in rows_of_parts(chosen).items():
        frame = chosen.iloc[rows].reset_index(drop=True)
        write_parquet(folder / part / "ground_truth.parquet", frame[list(columns)])
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(frame), size, size, 3)}
        with _quiet(), open(folder / part / "images.npy", "wb") as array:
            np.lib.format.write_array_header_1_0(array, header)
            for chunk in load_images(frame["path"], place[rows], size, threads, crop=crop):
                array.write(chunk.data)


def load_images(
    paths: Iterable[Path],
    place: Iterable[float],
    size: int,
    threads: int,
    chunk: int = CHUNK,
    crop: int | None = None,
) -> Iterator[np.ndarray]:
    """Decode images into arrays (up to `chunk`, size, size, 3) uint8, in the order of `paths`.

    place: where in its longer side each image is cropped, 0 (left or top) to 1; 0.5 is the centre.
    crop: side of the square that is kept, in pixels; by default, and at most, the shorter side.
    Raises PipelineError for a file that cannot be decoded.
    """
    jobs = zip(paths, place, strict=True)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(jobs, chunk)):
            yield np.stack(list(pool.map(lambda job: _square(job[0], job[1], size, crop), batch)))


def upright(image: Image.Image) -> Image.Image:
    """An opened image in RGB, turned as its EXIF data say."""
    image.getexif()
    # Pillow would write the data again after turning, and fails where a tag has a wrong type.
    image.info.pop("exif", None)
    return ImageOps.exif_transpose(image).convert("RGB")


def _square(path: Path, place: float, size: int, crop: int | None) -> np.ndarray:
    try:
        with Image.open(path) as image:
            colour = upright(image)
    except Exception as error:  # each format has its own for damaged files
        raise _unreadable(path, error) from error
    width, height = colour.size
    side = min(width, height, crop or width)
    left, top = place * (width - side), place * (height - side)
    box = (left, top, left + side, top + side)
    return np.asarray(colour.resize((size, size), Image.Resampling.BICUBIC, box))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about odd metadata, palettes or many pixels: such images can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _unreadable(path: Path, error: Exception, others: int = 0) -> PipelineError:
    reason = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read as an image"
    more = f" (and {others} more cannot be read)" if others else ""
    return PipelineError(f"{path} {reason}{more}: fetch it again, or remove it from the data.")
