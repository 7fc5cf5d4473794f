"""Options of a run and names of methods."""

from pathlib import Path

import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.evaluation.options import EvaluateOptions, check_method


def test_metrics_stand_in_one_order_however_they_are_asked_for() -> None:
    assert EvaluateOptions(metrics=("lpips", "psnr")).metrics == ("psnr", "lpips")


def test_what_scores_depend_on_leaves_out_device_and_saving() -> None:
    plain = EvaluateOptions().scoring()
    assert EvaluateOptions(device="cuda", save_flow=True, save_warped=True, limit=3).scoring() == plain
    assert EvaluateOptions(resize="0.5").scoring() != plain
    assert EvaluateOptions(flow_weights=Path("w.pth")).scoring() == plain, "weights count by their hash"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ("psnr", "vif")}, "metrics psnr,vif: expected some of psnr,ssim,mae,lpips"),
        ({"metrics": ()}, "metrics (none)"),
        ({"metrics": ("psnr", "psnr")}, "each once"),
        ({"crop_to": "640"}, "crop_to: expected WIDTHxHEIGHT like 1672x1120, got '640'"),
        ({"crop": "right"}, "crop: expected error, topleft or center, got 'right'"),
        ({"limit": 0}, "limit: expected 1 or more, got 0"),
        ({"match": "curves"}, "match: expected one of none, gain, gain+field, tone, got 'curves'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EvaluateOptions(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["MPRNet*", "U-Net (ours)", "jdrl v1.2", "=net", 64 * "n"])
def test_usual_names_of_methods_are_taken(name: str) -> None:
    assert check_method(name) == name


@pytest.mark.parametrize(
    "name", ["", "identity", "ceiling", "a/b", "a,b", 'a"b', "a\nb", " a", "a ", ".hidden", "..", 65 * "n"]
)
def test_names_that_would_break_a_table_or_a_path_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--method"):
        check_method(name)
