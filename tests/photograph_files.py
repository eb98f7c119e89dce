"""Small photographs in folders, in the layouts that are recognised."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.datasets.carnivores import CARNIVORES


def save(path: Path, size: tuple[int, int] = (12, 10), colour: Any = (200, 100, 50)) -> Path:
    """Write an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_classes(folder: Path, **counts: int) -> Path:
    """Write so many photographs of each class, each with a size and a colour of its own."""
    rng = np.random.default_rng(0)
    for species, count in counts.items():
        for number in range(count):
            width, height = rng.integers(8, 30, 2).tolist()
            colour = tuple(rng.integers(0, 256, 3).tolist())
            save(folder / species / f"{number:02}.png", (width, height), colour)
    return folder


def write_imagenet(folder: Path) -> Path:
    """Write two training images and a validation image per carnivore, and another class."""
    content = save(folder / "image.jpg").read_bytes()
    for part, numbers in (("train", (2, 10)), ("val", (1,))):
        for name in (*CARNIVORES, "n02077923"):
            (folder / part / name).mkdir(parents=True)
            for number in numbers:
                (folder / part / name / f"{name}_{number}.JPEG").write_bytes(content)
    return folder


def write_awa2(folder: Path) -> Path:
    """Write four images of each of 50 animals."""
    for number in range(50):
        name = {0: "grizzly+bear", 1: "tiger"}.get(number, f"animal{number}")
        for image in range(4):
            save(folder / "Animals_with_Attributes2/JPEGImages" / name / f"{name}_1000{image}.jpg")
    return folder


def write_pets(folder: Path) -> Path:
    """Write two breeds, of each six images to train on and four to test."""
    root = folder / "oxford-iiit-pet"
    (root / "annotations").mkdir(parents=True)
    for part, numbers in (("trainval", range(6)), ("test", range(6, 10))):
        lines = []
        for label, breed in enumerate(("Maine_Coon", "english_cocker_spaniel"), start=1):
            for number in numbers:
                save(root / "images" / f"{breed}_{number}.jpg")
                lines.append(f"{breed}_{number} {label} 1 1")
        (root / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder
