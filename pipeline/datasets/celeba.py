"""CelebA: which image shows whom, with which attributes, in which partition.

The folder is as `torchvision.datasets.CelebA` leaves it, with or without its outer folder celeba:

    img_align_celeba/*.jpg      aligned faces, 178 x 218 pixels
    list_attr_celeba.txt        a count, the names of 40 attributes, then -1 or 1 of each image
    list_eval_partition.txt     0, 1 or 2 of each image: training, validation, test
    identity_CelebA.txt         the number of the person in each image
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.parts import Seeds
from pipeline.errors import PipelineError

__all__ = ["list_celeba", "split_celeba"]

IMAGES, ATTRIBUTES = "img_align_celeba", "list_attr_celeba.txt"
PARTITION, IDENTITY = "list_eval_partition.txt", "identity_CelebA.txt"


def list_celeba(folder: str | Path, attributes: Sequence[str], setting: str) -> pd.DataFrame:
    """List all images in the order of the attribute file.

    setting: the key that names the folder. Columns: path, file, identity (int64), partition (0, 1
    or 2) and the named `attributes` as booleans. Raises PipelineError if a file is missing or
    malformed, an image lacks an attribute, a partition or an identity, or an attribute or the
    identity is the same in all images.
    """
    remedy = f"put torchvision's CelebA there, or correct {setting}"
    root = Path(folder)
    root = root / "celeba" if (root / "celeba").is_dir() else root
    if not root.is_dir():
        raise PipelineError(f"there is no folder {root} of CelebA: {remedy}.")
    for file in (ATTRIBUTES, PARTITION, IDENTITY):
        if not (root / file).exists():
            raise PipelineError(f"{root / file} is missing: {remedy}.")
    found = _images(root / IMAGES, remedy)
    frame = _attributes(root / ATTRIBUTES, attributes)
    for file, column in ((PARTITION, "partition"), (IDENTITY, "identity")):
        numbers = _numbers(root / file)
        frame[column] = numbers.reindex(frame.index)
        lacking = frame.index[frame[column].isna()]
        if len(lacking):
            raise PipelineError(
                f"{root / file} has no line for the image {lacking[0]}: fetch it again."
            )
        frame[column] = frame[column].astype(np.int64)
    if not frame["partition"].isin((0, 1, 2)).all():
        raise PipelineError(f"{root / PARTITION} has a partition other than 0, 1 and 2: fetch it.")
    unknown = sorted(found - set(frame.index))
    if unknown:
        raise PipelineError(
            f"{root / IMAGES / unknown[0]} has no attributes in {ATTRIBUTES}: fetch that file "
            "again, or remove the image."
        )
    missing = frame.index[~frame.index.isin(found)]
    if len(missing):
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise PipelineError(f"{root / IMAGES / missing[0]} is missing{more}: fetch it again.")
    for name in ("identity", *attributes):
        if frame[name].nunique() < 2:
            only = "one identity" if name == "identity" else f"one value of the attribute {name}"
            raise PipelineError(
                f"the images of {root} have only {only}: two or more are needed to learn what it "
                "changes; use the whole data set."
            )
    frame = frame.reset_index(names="file")
    frame.insert(0, "path", [root / IMAGES / name for name in frame["file"]])
    return frame


def split_celeba(
    images: pd.DataFrame, counts: Mapping[str, int], seeds: Seeds, section: str
) -> pd.DataFrame:
    """Split rows of `list_celeba` at random: a column split, rows in the order of `counts`.

    Training images, also those of t, come from CelebA's own partition 0, those of validation and
    calibration from partition 1, test and reference, drawn by their own seed, from partition 2. No
    image is in two splits. The partitions share nobody in CelebA; people of a smaller copy of it
    who do are left out of the last. section: the settings that error messages name. Raises
    PipelineError if there are too few images.
    """
    partition = images["partition"].to_numpy()
    rng = np.random.default_rng(seeds.learning)
    rows: dict[str, np.ndarray] = {}
    for splits, number in ((("train", "train_t"), 0), (("validation", "calibration"), 1)):
        pool = rng.permutation(np.flatnonzero(partition == number))
        rows |= _taken(pool, splits, counts, section)
    known = images["identity"][partition != 2]
    strangers = np.flatnonzero((partition == 2) & ~images["identity"].isin(known).to_numpy())
    pool = np.random.default_rng(seeds.stream).permutation(strangers)
    rows |= _taken(pool, ("test", "reference"), counts, section)
    chosen = images.iloc[np.concatenate([np.sort(rows[split]) for split in counts])]
    chosen = chosen.reset_index(drop=True)
    chosen.insert(0, "split", np.repeat(list(counts), [len(rows[split]) for split in counts]))
    return chosen


def _taken(
    pool: np.ndarray, splits: Sequence[str], counts: Mapping[str, int], section: str
) -> dict[str, np.ndarray]:
    asked = sum(counts[split] for split in splits)
    if asked > len(pool):
        wanted = [split for split in splits if counts[split]]
        raise PipelineError(
            f"too few images of CelebA for {' and '.join(wanted)}: {len(pool)} are left for the "
            f"{asked} asked for; lower {section}.{' or '.join(wanted)}."
        )
    ends = np.cumsum([counts[split] for split in splits])
    return dict(zip(splits, np.split(pool, ends), strict=False))  # what is left comes last


def _images(folder: Path, remedy: str) -> set[str]:
    try:
        found = {path.name for path in folder.iterdir() if path.suffix.lower() == ".jpg"}
    except OSError as error:
        raise PipelineError(f"{folder} is missing or unreadable: {remedy}.") from error
    found = {name for name in found if not name.startswith(".")}
    if not found:
        raise PipelineError(f"{folder} holds no images (*.jpg): {remedy}.")
    return found


def _table(file: Path, **options: object) -> pd.DataFrame:
    try:
        return pd.read_csv(file, sep=r"\s+", **options)
    except (OSError, ValueError) as error:  # pandas' own errors are among the second
        raise PipelineError(f"{file} cannot be read as a table: fetch it again.") from error


def _attributes(file: Path, names: Sequence[str]) -> pd.DataFrame:
    # The line of names is one word shorter than the others, whose first word becomes the index.
    table = _table(file, skiprows=1, header=0)
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise PipelineError(
            f"{file} has no column {missing[0]}: fetch it again; {', '.join(names)} are needed."
        )
    _once(file, table.index)
    values = table[list(names)]
    wrong = values.index[~values.isin((-1, 1)).all(axis=1)]
    if len(wrong):
        raise PipelineError(
            f"{file} has a value other than -1 and 1 for the image {wrong[0]}: fetch it again."
        )
    return values == 1


def _numbers(file: Path) -> pd.Series:
    table = _table(file, header=None, index_col=0)
    if table.shape[1] != 1 or not pd.api.types.is_integer_dtype(table[1]):
        raise PipelineError(f"{file} is not a list of image names and numbers: fetch it again.")
    _once(file, table.index)
    return table[1]


def _once(file: Path, names: pd.Index) -> None:
    if names.has_duplicates:
        raise PipelineError(
            f"{file} names the image {names[names.duplicated()][0]} twice: fetch it again."
        )
