"""Command edit_image: change one factor of an image of your own. DVC does not run it."""

import argparse
from pathlib import Path

from pipeline.cli import report_errors
from pipeline.config.files import load_run
from pipeline.drawing.drawing import write_figure
from pipeline.drawing.strip import draw_strip
from pipeline.errors import PipelineError
from pipeline.evaluation.edit_image import Editor, EditRequest, edit_strip
from pipeline.runtime.device import available_cores, prepare_runtime

EXAMPLES = """\
examples, in the repository's root:
  python -m pipeline.stages.edit_image me.png --factor Smiling --donor friend.png
  python -m pipeline.stages.edit_image me.png --factor Smiling --along -1 1 --steps 7

The factors are those of train_semantic in scales/<scale>.yaml, and `residual`. The models have
seen rendered people, or CelebA at scale paper, and reconstruct other images less well.
"""


def edit_image(request: EditRequest, dataset: str) -> None:
    """Write the input, its reconstruction and the edits as one labelled picture."""
    run = load_run()
    if dataset not in run.datasets:  # generated images have no encoder
        known = ", ".join(run.datasets)
        raise PipelineError(f"there is no data set {dataset!r}: use one of {known}.")
    request.check()
    threads = available_cores() if run.threads == "auto" else run.threads
    device = prepare_runtime(run.device, threads, run.seed)
    strip = edit_strip(Editor.load(dataset, device), request)
    # matplotlib reads text between two dollars as a formula.
    words = [dataset, request.image.name.replace("$", r"\$"), request.factor]
    figure = draw_strip(strip, words, {"scale": run.scale, "seed": run.seed})
    write_figure(figure, request.out)
    print(f"Written: {request.out}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.stages.edit_image",
        description="Change one factor of an image: e(E(x)), one factor replaced, decoded again.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("image", type=Path, help="the image, of which the central square is used")
    add("--factor", required=True, help="the factor of e to change, such as Smiling")
    add("--donor", type=Path, metavar="IMAGE", help="give the image the factor of this one")
    add(
        "--along",
        type=float,
        nargs=2,
        metavar=("FROM", "TO"),
        help="or move the factor: 0 is the image as it is, 1 adds what training images with the "
        "attribute have beyond those without it",
    )
    add("--steps", type=int, default=7, help="images along the line (default: 7)")
    add("--dataset", default="faces", help="whose models to use (default: faces)")
    add("--out", type=Path, default=Path("strip.png"), help=".png or .pdf (default: strip.png)")
    given = vars(parser.parse_args())
    with report_errors():
        dataset, along = given.pop("dataset"), given.pop("along")
        edit_image(EditRequest(**given, along=along and tuple(along)), dataset)


if __name__ == "__main__":
    main()
