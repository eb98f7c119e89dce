"""All figures and tables of each evaluation, from its saved numbers and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.figures.drawing import save_figure
from pipeline.figures.fig2 import draw_fig2, draw_figS4, draw_figS5, load_examples
from pipeline.figures.fig3 import draw_fig3, draw_variances, load_samples
from pipeline.figures.fig4 import curves_of, draw_fig4, draw_figS7, load_grids
from pipeline.figures.fig5 import draw_fig5, draw_figS13, draw_target_shares, load_attacks
from pipeline.figures.fig6 import (
    draw_cue_shares,
    draw_fig6,
    draw_figS11,
    draw_figS12,
    load_texture_samples,
)
from pipeline.figures.fig7 import draw_changes, draw_fig7, draw_figS8, draw_figS9, load_edits
from pipeline.reporting.tables import (
    edits_table,
    faithfulness_table,
    fid_table,
    table1,
    write_table,
)

__all__ = ["PLOTS"]


def plot_fig3(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw both sides of Fig. 3."""
    samples = load_samples(arrays)
    save_figure(draw_fig3(samples, summary), folder / "fig3")
    save_figure(draw_variances(samples, summary), folder / "variances")


def plot_fig4(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw Figs. 4 and S7."""
    curves, grids = curves_of(summary), load_grids(arrays)
    save_figure(draw_fig4(curves, grids, summary), folder / "fig4")
    save_figure(draw_figS7(curves, grids, summary), folder / "figS7")


def plot_fig5(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw Figs. 5 and S13, and how often each layer shows the attack's target."""
    attacks = load_attacks(arrays)
    save_figure(draw_fig5(attacks, summary), folder / "fig5")
    save_figure(draw_figS13(attacks, summary), folder / "figS13")
    save_figure(draw_target_shares(summary), folder / "shares")


def plot_fig6(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw Figs. 6, S11 and S12, and the shares of samples that show a shape or a texture."""
    samples = load_texture_samples(arrays)
    save_figure(draw_fig6(samples, summary), folder / "fig6")
    save_figure(draw_figS12(samples, summary), folder / "figS12")
    save_figure(draw_cue_shares(summary), folder / "shares")
    save_figure(draw_figS11(), folder / "figS11")


def plot_fig7(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw Figs. 7, S8 and S9, what edits change besides, and set their tables."""
    edits = load_edits(arrays)
    write_table(edits_table(summary), folder / "edits")
    write_table(fid_table(summary), folder / "fid")
    save_figure(draw_fig7(edits, summary), folder / "fig7")
    save_figure(draw_figS8(edits, summary), folder / "figS8")
    save_figure(draw_figS9(edits, summary), folder / "figS9")
    save_figure(draw_changes(summary), folder / "changes")


def plot_figs10(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Draw Fig. S10, and the variances beside it."""
    samples = load_samples(arrays)
    save_figure(draw_fig3(samples, summary), folder / "figS10")
    save_figure(draw_variances(samples, summary), folder / "variances")


def plot_table1(summary: Mapping[str, Any], arrays: Path, folder: Path) -> None:
    """Set Tab. 1, draw Figs. 2 and S4 to S6."""
    examples = load_examples(arrays)
    write_table(table1(summary), folder / "table1")
    write_table(faithfulness_table(summary), folder / "table1_faithfulness")
    save_figure(draw_fig2(examples, summary), folder / "fig2")
    save_figure(draw_figS4(examples, summary), folder / "figS4")
    for example, name in enumerate(("figS5", "figS6")):
        save_figure(draw_figS5(examples, summary, example=example), folder / name)


PLOTS = {
    "fig3": plot_fig3,
    "fig4": plot_fig4,
    "fig5": plot_fig5,
    "fig6": plot_fig6,
    "fig7": plot_fig7,
    "figs10": plot_figs10,
    "table1": plot_table1,
}
"""What draws the figures and sets the tables of each evaluation, into a folder."""
