"""What all figures share: the style, and files that are the same bytes whenever they are saved."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib import style
from matplotlib.figure import Figure

from pipeline.storage import write_bytes

__all__ = ["figure_style", "save_figure"]

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
    saved = []
    for suffix, metadata in _METADATA.items():
        buffer = io.BytesIO()
        with figure_style():
            figure.savefig(buffer, format=suffix, metadata=metadata)
        target = stem.with_name(f"{stem.name}.{suffix}")
        write_bytes(target, buffer.getvalue())
        saved.append(target)
    return saved
