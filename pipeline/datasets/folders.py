"""Photographs of animals in folders, cropped to squares and kept in one array (INV paper, B.3).

Four layouts are known by what lies in a folder:

    imagenet   train/<WordNet id>/*, val/<WordNet id>/*: the 149 carnivores, as
               torchvision.datasets.ImageNet leaves them
    awa2       JPEGImages/<class>/*: the 50 animals of Animals with Attributes 2
    pets       images/*, annotations/trainval.txt and test.txt: Oxford-IIIT Pet, which anyone may
               use (CC BY-SA 4.0)
    classes    <class>/*: anything else; a carnivore's WordNet id as the class stands for its name

Everything that can be wrong with folders and files, but for pixels that do not decode, is found
before the first image is decoded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pipeline.datasets.carnivores import CARNIVORES
from pipeline.errors import PipelineError

__all__ = [
    "check_images",
    "list_images",
    "load_images",
    "prepare_photographs",
    "split_images",
    "upright",
    "write_images",
]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
CHUNK = 512  # images in memory at once


def prepare_photographs(
    file: Path,
    folders: Sequence[str | Path],
    counts: Mapping[str, int],
    *,
    size: int,
    smallest: int,
    seed: int,
    threads: int,
    section: str = "prepare.animals",
) -> pd.DataFrame:
    """Write square images (R, size, size, 3) uint8 to `file`; return their ground truth.

    counts: split -> number of images, dealt by `split_images`; smallest: the fewest pixels an
    image's shorter side may have, smaller than `size` if images may be enlarged. The shorter side
    becomes `size`; training images are cropped at a random place, all others at the centre.
    section: the settings that error messages name.
    Columns: split, label (of all classes that the folders hold, by name), species, source (the
    layout) and file (in its folder). The same files and seed give the same bytes, whatever
    `threads`. Raises PipelineError as the functions below do.
    """
    images = list_images(folders, section)
    images["label"] = np.unique(images["species"], return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng(seed)
    chosen = split_images(images, counts, rng, section)
    place = np.where(chosen["split"] == "train", rng.uniform(size=len(chosen)), 0.5)
    check_images(chosen["path"], smallest, threads, section)
    write_images(file, chosen["path"], place, size, threads)
    return chosen[["split", "label", "species", "source", "file"]]


# --- what lies in the folders --------------------------------------------------------------------


def list_images(folders: Sequence[str | Path], section: str = "prepare.animals") -> pd.DataFrame:
    """List every image of `folders` in a fixed order.

    Columns: path, source (the layout), file (relative to its folder), species (lower case: the same
    animal of two sources is one species) and held_out (whether the source itself keeps the image
    for testing). Raises PipelineError if a folder is missing, incomplete or holds no images.
    """
    frames = [_list_folder(Path(folder), section) for folder in folders]
    if not frames:
        raise PipelineError(f"no folder of photographs is given: name one in {section}.folders.")
    return pd.concat(frames, ignore_index=True)


def _list_folder(folder: Path, section: str) -> pd.DataFrame:
    if not folder.is_dir():
        raise PipelineError(
            f"there is no folder {folder} of photographs: put them there, or correct "
            f"{section}.folders."
        )
    root = folder
    for inner in ("Animals_with_Attributes2", "oxford-iiit-pet"):  # as unpacked or downloaded
        root = folder / inner if (folder / inner).is_dir() else root
    if (root / "JPEGImages").is_dir():
        source, rows = "awa2", _list_awa2(root, section)
    elif (root / "annotations").is_dir():
        source, rows = "pets", _list_pets(root)
    elif (root / "train").is_dir():
        source, rows = "imagenet", _list_imagenet(root, section)
    else:
        source, rows = "classes", _list_classes(root, section)
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


def _list_imagenet(root: Path, section: str) -> list[Row]:
    if not any((root / "train" / name).is_dir() for name in CARNIVORES):
        raise PipelineError(
            f"{root / 'train'} has none of the carnivores of ImageNet: for photographs of your "
            f"own, name the folders that hold a folder per class, such as {root / 'train'}, in "
            f"{section}.folders; for ImageNet, unpack ILSVRC2012_img_train.tar there, one folder "
            "per class."
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


def _list_awa2(root: Path, section: str) -> list[Row]:
    rows = _list_classes(root / "JPEGImages", section)
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
                    f"{file} names {name!r}, which is no image of Oxford-IIIT Pet: unpack "
                    "annotations.tar.gz again."
                )
            rows.append((root / "images" / f"{name}.jpg", species, part == "test"))
    if not rows:
        raise PipelineError(
            f"the lists in {root / 'annotations'} are empty: unpack annotations.tar.gz again."
        )
    return rows


def _list_classes(root: Path, section: str) -> list[Row]:
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
            f"<class>/<image>.jpg, or correct {section}.folders."
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
    images: pd.DataFrame,
    counts: Mapping[str, int],
    rng: np.random.Generator,
    section: str = "prepare.animals",
) -> pd.DataFrame:
    """Deal rows of `list_images` into the splits of `counts`: a column split, rows in that order.

    Splits but train and validation are drawn from the images that sources keep for testing, and as
    far as these do not suffice, from the sources that keep none, so that all of them are alike. No
    image is in two splits. Raises PipelineError if there are too few images.
    """
    own = images["held_out"].to_numpy()
    training = [split for split in counts if split in ("train", "validation")]
    testing = [split for split in counts if split not in training]
    without = ~images["source"].isin(images["source"][own]).to_numpy()
    fresh = [rng.permutation(np.flatnonzero(chosen)) for chosen in (own, without)]
    pool = np.concatenate(fresh)[: sum(counts[split] for split in testing)]
    rows = _deal(pool, testing, counts, rng, section)
    rows |= _deal(np.setdiff1d(np.flatnonzero(~own), pool), training, counts, rng, section)
    # In random order, not as they are listed: the first images of a split are of all its classes.
    dealt = [rows[split] for split in counts]
    result = images.iloc[np.concatenate(dealt)].reset_index(drop=True)
    result.insert(0, "split", np.repeat(list(counts), [len(chosen) for chosen in dealt]))
    return result


def _deal(
    pool: np.ndarray,
    splits: Sequence[str],
    counts: Mapping[str, int],
    rng: np.random.Generator,
    section: str,
) -> dict[str, np.ndarray]:
    sizes = [counts[split] for split in splits]
    if sum(sizes) > len(pool):
        raise PipelineError(
            f"too few photographs for {' and '.join(splits)}: {len(pool)} are left for the "
            f"{sum(sizes)} asked for; lower {section}.{' or '.join(splits)}."
        )
    parts = np.split(rng.permutation(pool), np.cumsum(sizes))
    return dict(zip(splits, parts, strict=False))  # what nobody asked for comes last


# --- pixels --------------------------------------------------------------------------------------


def check_images(
    paths: Iterable[Path], smallest: int, threads: int, section: str = "prepare.animals"
) -> None:
    """Read the head of every file: is it there, an image, and at least `smallest` pixels wide?

    Raises PipelineError, which names the first file at fault and counts the others.
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
    small = [(path, side) for path, side in found if isinstance(side, int) and side < smallest]
    if small:
        path, side = small[0]
        others = f" (and {len(small) - 1} more are too small)" if len(small) > 1 else ""
        raise PipelineError(
            f"the shorter side of {path} has {side} pixels, fewer than {smallest}{others}: take "
            f"such images away, or set {section}.smallest to "
            f"{min(side for _, side in small)} to enlarge them."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of odd metadata, palettes or many pixels: all such images are readable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write_images(
    file: Path,
    paths: Sequence[Path],
    place: np.ndarray,
    size: int,
    threads: int,
    crop: int | None = None,
) -> None:
    """Write what `load_images` decodes as one array (R, size, size, 3) uint8 to `file`."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), size, size, 3)}
    with _quiet(), open(file, "wb") as array:
        np.lib.format.write_array_header_1_0(array, header)
        for chunk in load_images(paths, place, size, threads, crop=crop):
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

    place: where in the longer side each image is cropped, 0 (left or top) to 1; 0.5 is the centre.
    crop: side of the square that is kept, in pixels; the shorter side if None, or if that is less.
    Raises PipelineError for a file that does not decode.
    """
    jobs = zip(paths, place, strict=True)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(jobs, chunk)):
            yield np.stack(list(pool.map(lambda job: _square(job[0], job[1], size, crop), batch)))


def upright(image: Image.Image) -> Image.Image:
    """An opened image in RGB, turned as its EXIF data say."""
    image.getexif()
    # Turning would write the data anew, which fails where a tag has a wrong type.
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


def _unreadable(path: Path, error: Exception, others: int = 0) -> PipelineError:
    reason = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read as an image"
    more = f" (and {others} more cannot be read)" if others else ""
    return PipelineError(f"{path} {reason}{more}: fetch it again, or take it out of the data.")
