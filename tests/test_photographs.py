"""Photographs as files: how they are decoded, turned and cropped."""

import struct
from pathlib import Path

import numpy as np
import pytest
from photograph_files import save
from PIL import Image

from pipeline.datasets.photographs import check_images, load_images
from pipeline.errors import PipelineError


def load(path: Path, place: float = 0.5, size: int = 16) -> np.ndarray:
    (chunk,) = load_images([path], [place], size, threads=1)
    return chunk[0]


@pytest.mark.parametrize("wide", [True, False])
def test_the_longer_side_is_cropped(tmp_path: Path, wide: bool) -> None:
    """A red, a green and a blue square in a row."""
    array = np.zeros((32, 96, 3), np.uint8)
    for third in range(3):
        array[:, 32 * third : 32 * third + 32, third] = 255
    Image.fromarray(array if wide else array.transpose(1, 0, 2)).save(tmp_path / "row.png")
    for third, place in enumerate((0.0, 0.5, 1.0)):
        inside = load(tmp_path / "row.png", place)[2:-2, 2:-2]  # edges blend with what lies beyond
        assert (inside[..., third] == 255).all() and inside.sum() == inside[..., third].sum()


def lying(tags: dict[int, str]) -> bytes:
    """EXIF data of orientation 6, with further tags as text, little endian."""
    texts = {tag: text.encode() + b"\0" for tag, text in tags.items()}
    end = 8 + 2 + 12 * (1 + len(tags)) + 4
    entries, rest = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0), b""
    for tag, text in texts.items():
        entries += struct.pack("<HHII", tag, 2, len(text), end + len(rest))
        rest += text
    head = struct.pack("<2sHIH", b"II", 42, 8, 1 + len(tags))
    return b"Exif\0\0" + head + entries + struct.pack("<I", 0) + rest


@pytest.mark.parametrize("tags", [{}, {0x0101: "inches"}])
def test_photographs_are_turned_upright(tmp_path: Path, tags: dict[int, str]) -> None:
    """A camera held upright stores its image lying, and says so (EXIF orientation 6).

    Another tag of a wrong type is no reason to refuse an image.
    """
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, :32] = 255
    Image.fromarray(array).save(tmp_path / "lying.jpg", exif=lying(tags))
    upright = load(tmp_path / "lying.jpg")
    assert upright[:6].min() > 240 and upright[-6:].max() < 15


def test_images_are_averaged_when_they_shrink(tmp_path: Path) -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, ::2] = 255
    Image.fromarray(array).save(tmp_path / "stripes.png")
    assert abs(load(tmp_path / "stripes.png")[:, 2:-2].astype(float) - 127.5).max() < 2


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_images_of_any_kind_become_colours(tmp_path: Path, mode: str) -> None:
    name = "image.jpg" if mode == "CMYK" else "image.png"
    Image.new("RGB", (20, 20), (255, 255, 255)).convert(mode).save(tmp_path / name)
    assert (load(tmp_path / name) >= 250).all()


def test_a_png_named_jpeg_is_read(tmp_path: Path) -> None:
    """As one of the Shetland sheepdogs of ImageNet is."""
    save(tmp_path / "image.png").rename(tmp_path / "image.JPEG")
    assert (load(tmp_path / "image.JPEG") == (200, 100, 50)).all()


def test_a_file_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="gone.jpg is missing"):
        check_images([tmp_path / "gone.jpg"], 1, 1, "prepare.animals")
