"""What all figures share: the style, and files that are the same bytes whenever they are saved."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib import style
from matplotlib.figure import Figure

from pipeline.storage import write_bytes

__all__ = ["figure_style", "save_figure", "write_figure"]

# Without these entries a file names the date or the version of the program that wrote it.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Style of the pipeline, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        style.use(Path(__file__).with_name("style.mplstyle"))
        yield


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Save a figure as `<stem>.png` (200 dpi) and `<stem>.pdf`; each appears whole or not at all.

    The same figure gives the same bytes at any time: no dates, no random identifiers.

    Raises:
        PipelineError: the folder cannot be written.
    """
    saved = [stem.with_name(f"{stem.name}.{suffix}") for suffix in _METADATA]
    for target in saved:
        write_figure(figure, target)
    return saved


def write_figure(figure: Figure, file: Path) -> None:
    """Save a figure as the .png (200 dpi) or .pdf that `file` is called; as `save_figure` does."""
    suffix = file.suffix.removeprefix(".").lower()
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, format=suffix, metadata=_METADATA[suffix])
    write_bytes(file, buffer.getvalue())
