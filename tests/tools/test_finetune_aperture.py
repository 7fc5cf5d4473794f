"""The figures of the table of fine-tuning on real pairs."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from prepared_sets import make_prepared

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import finetune_aperture

    yield finetune_aperture
    for name in [
        name for name, module in sys.modules.items() if (module.__dict__.get("__file__") or "").startswith(str(TOOLS))
    ]:
        del sys.modules[name]


def test_figures_are_those_of_each_picture_by_name(tool, tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, n_train=1)
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for name, shift in (("t1", 0), ("t2", 1)):
        blurry = cv2.imread(str(tmp_path / f"captures/test/blur/{name}.png"))
        moved = cv2.warpAffine(
            blurry, np.float32([[1, 0, shift], [0, 1, 0]]), blurry.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
        )
        assert cv2.imwrite(str(predictions / f"{name}.png"), moved)
    figures = tool.figures_of(prepared, predictions, tmp_path / "run", "dis")
    assert figures["drift_px"] == pytest.approx([0, 1], abs=0.1)
    assert figures["psnr"].shape == (2,)


def test_differences_are_those_of_one_seed_and_one_picture(tool) -> None:
    first = [{key: np.array([1.0, 2.0]) for key in tool.FORMS}, {key: np.array([5.0, 6.0]) for key in tool.FORMS}]
    other = [{key: np.array([1.5, 2.5]) for key in tool.FORMS}, {key: np.array([5.5, 7.5]) for key in tool.FORMS}]
    cells = tool.differences("b", other, first).split(" | ")
    assert cells[0] == "| b"
    assert cells[1] == "+0.75 (0.35): +0.50, +1.00"
