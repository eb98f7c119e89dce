"""Photographs in folders: what lies in them, and how it is split (INV paper, Sec. B.3).

Four layouts are recognised:

    imagenet   train/<WordNet id>/*, val/<WordNet id>/*: the 149 carnivores, as
               torchvision.datasets.ImageNet leaves them
    awa2       JPEGImages/<class>/*: the 50 animals of Animals with Attributes 2
    pets       images/*, annotations/trainval.txt and test.txt: Oxford-IIIT Pet, free to use
               (CC BY-SA 4.0)
    classes    <class>/*: anything else; a carnivore's WordNet id as the class means its name

Whatever can be wrong with folders and files is found before the first image is decoded; only
pixels that cannot be decoded are found later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.carnivores import CARNIVORES
from pipeline.datasets.photographs import check_images, write_photographs
from pipeline.datasets.splits import TRAINING
from pipeline.errors import PipelineError

__all__ = ["assigned", "list_images", "prepare_photographs", "split_images", "write_squares"]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def prepare_photographs(
    folder: Path,
    folders: Sequence[str | Path],
    counts: Mapping[str, int],
    *,
    size: int,
    min_side: int,
    seed: int,
    threads: int,
    section: str,
) -> None:
    """Write the photographs of `folders` into `folder`, split as `split_images` does.

    counts: split -> number of images; size, min_side and what is written: see `write_squares`.
    section: the settings that error messages name. The same files and seed give the same bytes,
    whatever `threads`. Raises PipelineError as the functions below do.
    """
    images = list_images(folders, f"{section}.folders")
    rng = np.random.default_rng(seed)
    chosen = split_images(images, counts, rng, section)
    write_squares(
        folder, chosen, rng, size=size, min_side=min_side, threads=threads, section=section
    )


def write_squares(
    folder: Path,
    chosen: pd.DataFrame,
    rng: np.random.Generator,
    *,
    size: int,
    min_side: int,
    threads: int,
    section: str,
) -> None:
    """Write square images.npy (R, size, size, 3) uint8 and ground_truth.parquet of each part.

    chosen: rows of `list_images` with a column split. An image's shorter side becomes `size`, and
    must have at least `min_side` pixels. Training images are cropped at a random place, all others
    at the centre. Columns of the ground truth: split, label (of all classes that the folders hold,
    by name), species, source (the layout) and file (in its folder).
    """
    place = np.where(chosen["split"].isin(TRAINING), rng.uniform(size=len(chosen)), 0.5)
    check_images(chosen["path"], min_side, threads, section)
    columns = ["split", "label", "species", "source", "file"]
    write_photographs(folder, chosen, columns, place, size, threads)


# --- what lies in the folders --------------------------------------------------------------------


def list_images(folders: Sequence[str | Path], setting: str) -> pd.DataFrame:
    """List every image of `folders` in a fixed order.

    setting: the key that names the folders. Columns: path, source (the layout), file (relative to
    its folder), species (lower case: the same animal of two sources is one species), held_out
    (whether the source itself keeps the image for testing) and label (int64, species by name).
    Raises PipelineError if a folder is missing, incomplete or holds no images.
    """
    frames = [_list_folder(Path(folder), setting) for folder in folders]
    if not frames:
        raise PipelineError(f"no folder of photographs is given: name one in {setting}.")
    images = pd.concat(frames, ignore_index=True)
    images["label"] = np.unique(images["species"], return_inverse=True)[1].astype(np.int64)
    return images


def _list_folder(folder: Path, setting: str) -> pd.DataFrame:
    if not folder.is_dir():
        raise PipelineError(
            f"there is no folder {folder} of photographs: put them there, or correct {setting}."
        )
    root = folder
    for inner in ("Animals_with_Attributes2", "oxford-iiit-pet"):  # as unpacked or downloaded
        root = folder / inner if (folder / inner).is_dir() else root
    if (root / "JPEGImages").is_dir():
        source, rows = "awa2", _list_awa2(root, setting)
    elif (root / "annotations").is_dir():
        source, rows = "pets", _list_pets(root)
    elif (root / "train").is_dir():
        source, rows = "imagenet", _list_imagenet(root, setting)
    else:
        source, rows = "classes", _list_classes(root, setting)
    paths, species, held_out = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "path": paths,
            "source": source,
            "file": [path.relative_to(root).as_posix() for path in paths],
            "species": [name.lower() for name in species],
            "held_out": held_out,
        }
    )


Row = tuple[Path, str, bool]  # path, species, held out


def _list_imagenet(root: Path, setting: str) -> list[Row]:
    if not any((root / "train" / name).is_dir() for name in CARNIVORES):
        raise PipelineError(
            f"{root / 'train'} has none of the carnivores of ImageNet: for photographs of your "
            f"own, name the folder that holds a folder per class, such as {root / 'train'}, in "
            f"{setting}; for ImageNet, unpack ILSVRC2012_img_train.tar there, one folder per class."
        )
    rows: list[Row] = []
    for part, archive in (("train", "ILSVRC2012_img_train.tar"), ("val", "ILSVRC2012_img_val.tar")):
        if not (root / part).is_dir():
            raise PipelineError(
                f"{root} has a folder train but none named {part}: unpack {archive} there, one "
                "folder per class."
            )
        images = {name: _images_in(root / part / name) for name in CARNIVORES}
        missing = [name for name, found in images.items() if not found]
        if missing:
            raise PipelineError(
                f"{root / part} has no images of {len(missing)} of the 149 carnivores of ImageNet "
                f"(the first is {missing[0]}): unpack {archive} there, one folder per class, as "
                "torchvision.datasets.ImageNet does."
            )
        for name, found in images.items():
            rows += [(path, CARNIVORES[name], part == "val") for path in found]
    return rows


def _list_awa2(root: Path, setting: str) -> list[Row]:
    rows = _list_classes(root / "JPEGImages", setting)
    classes = len({species for _, species, _ in rows})
    if classes != 50:
        raise PipelineError(
            f"{root / 'JPEGImages'} has images of {classes} animals, not of the 50 of Animals with "
            "Attributes 2: unpack AwA2-data.zip again."
        )
    return [(path, species.replace("+", " "), held_out) for path, species, held_out in rows]


def _list_pets(root: Path) -> list[Row]:
    rows: list[Row] = []
    for part in ("trainval", "test"):
        file = root / "annotations" / f"{part}.txt"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PipelineError(
                f"{file} is missing or unreadable: unpack annotations.tar.gz of Oxford-IIIT Pet in "
                f"{root}."
            ) from error
        names = [line.split()[0] for line in lines if line.strip()]
        for name in names:
            species = name.rpartition("_")[0].replace("_", " ")
            if not species or "/" in name:
                raise PipelineError(
                    f"{file} names {name!r}, which is not an image of Oxford-IIIT Pet: unpack "
                    "annotations.tar.gz again."
                )
            rows.append((root / "images" / f"{name}.jpg", species, part == "test"))
    if not rows:
        raise PipelineError(
            f"the lists in {root / 'annotations'} are empty: unpack annotations.tar.gz again."
        )
    return rows


def _list_classes(root: Path, setting: str) -> list[Row]:
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    classes = [path for path in folders if not path.name.startswith(".")]
    rows = [
        (image, CARNIVORES.get(path.name, path.name), False)
        for path in classes
        for image in _images_in(path)
    ]
    if not rows:
        raise PipelineError(
            f"{root} holds no images in folders named after their classes: put them there as "
            f"<class>/<image>.jpg, or correct {setting}."
        )
    return rows


def _images_in(folder: Path) -> list[Path]:
    """The images of one folder by name, without those that a Mac hides in archives (._*)."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError:
        return []
    return sorted(path for path in found if not path.name.startswith("."))


# --- splits --------------------------------------------------------------------------------------


def split_images(
    images: pd.DataFrame, counts: Mapping[str, int], rng: np.random.Generator, section: str
) -> pd.DataFrame:
    """Split rows of `list_images` at random: a column split, rows in the order of `counts`.

    All splits but those of training and validation are drawn from the images that sources keep for
    testing and, if these do not suffice, from the sources that keep none, so that these splits are
    alike.
    No image is in two splits. Raises PipelineError if there are too few images.
    """
    own = images["held_out"].to_numpy()
    training = [split for split in counts if split in (*TRAINING, "validation")]
    testing = [split for split in counts if split not in training]
    without = ~images["source"].isin(images["source"][own]).to_numpy()
    fresh = [rng.permutation(np.flatnonzero(chosen)) for chosen in (own, without)]
    pool = np.concatenate(fresh)[: sum(counts[split] for split in testing)]
    rows = _split(pool, testing, counts, rng, section)
    rows |= _split(np.setdiff1d(np.flatnonzero(~own), pool), training, counts, rng, section)
    return assigned(images, {split: rows[split] for split in counts})


def assigned(images: pd.DataFrame, rows: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The rows of each split, in that order, with a column split.

    Within a split they keep the given order, which should be random: the first images of a split
    are then of all its classes.
    """
    result = images.iloc[np.concatenate(list(rows.values()))].reset_index(drop=True)
    result.insert(0, "split", np.repeat(list(rows), [len(chosen) for chosen in rows.values()]))
    return result


def _split(
    pool: np.ndarray,
    splits: Sequence[str],
    counts: Mapping[str, int],
    rng: np.random.Generator,
    section: str,
) -> dict[str, np.ndarray]:
    sizes = [counts[split] for split in splits]
    if sum(sizes) > len(pool):
        wanted = [split for split in splits if counts[split]]
        raise PipelineError(
            f"too few photographs for {' and '.join(wanted)}: {len(pool)} are left for the "
            f"{sum(sizes)} asked for; lower {section}.{' or '.join(wanted)}."
        )
    parts = np.split(rng.permutation(pool), np.cumsum(sizes))
    return dict(zip(splits, parts, strict=False))  # what nobody asked for comes last
