"""A tiny CelebA in the layout of `torchvision.datasets.CelebA`."""

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("5_o_Clock_Shadow", "Black_Hair", "Eyeglasses", "Male", "No_Beard", "Smiling", "Young")
"""Some of its 40 attributes, in its order."""


def write_celeba(folder: Path, train: int = 40, validation: int = 12, test: int = 30) -> None:
    """Write noise with five people per partition, whom no other partition shows."""
    rng = np.random.default_rng(0)
    (folder / "img_align_celeba").mkdir(parents=True)
    counts = (train, validation, test)
    files = [f"{number:06}.jpg" for number in range(1, sum(counts) + 1)]
    partition = np.repeat([0, 1, 2], counts)
    identity = 100 + 5 * partition + np.concatenate([np.arange(count) % 5 for count in counts])
    for file in files:
        pixels = rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)
        pixels[29:189, 9:169] = rng.integers(0, 256, 3)  # the square that is kept
        Image.fromarray(pixels).save(folder / "img_align_celeba" / file, quality=95)
    values = rng.choice([-1, 1], (len(files), len(NAMES)))
    words = [" ".join(f"{value:2}" for value in row) for row in values]
    rows = [f"{file} {row}" for file, row in zip(files, words, strict=True)]
    text = "\n".join([str(len(files)), " ".join(NAMES) + " ", *rows])
    (folder / "list_attr_celeba.txt").write_text(text + "\n")
    for name, numbers in (("list_eval_partition", partition), ("identity_CelebA", identity)):
        lines = [f"{file} {number}\n" for file, number in zip(files, numbers, strict=True)]
        (folder / f"{name}.txt").write_text("".join(lines))
