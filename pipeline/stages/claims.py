"""Stage claims: which of the paper's claims hold at this scale."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.params import Params
from pipeline.reporting.claims import decide_claims
from pipeline.storage import read_json, write_json


def claims(params: Params) -> None:
    """Decide the paper's claims from what was measured."""
    metrics = {
        name: read_json(paths.metrics(params.scale, name)) for name in params.settings.evaluate
    }
    write_json(paths.claims(params.scale), decide_claims(params.scale, metrics))


if __name__ == "__main__":
    run_stage("claims", claims, items=None, torch=False)
