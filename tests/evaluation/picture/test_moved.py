"""What moved as a whole and what moved in layers are told apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.core.types import Pair, Split
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.moved import pair_motion
from sdd_bench.evaluation.picture.task import score_files
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.geometry.similarity import Similarity

_SIZE = 120, 200


def _flow() -> np.ndarray:
    return similarity_flow(Similarity(1.01, 0.2, 1.5, -0.5), *_SIZE).numpy()


def test_a_similarity_has_no_layers() -> None:
    found = pair_motion(_flow())
    assert found.similarity_px == pytest.approx(Similarity(1.01, 0.2, 1.5, -0.5).rms_px(*_SIZE), rel=1e-3)
    assert (found.layer_share, found.layer_px, found.supported_share) == (0.0, 0.0, None)


def test_a_layer_counts_only_where_it_is_shown() -> None:
    flow = _flow()
    flow[1, :, 150:] += 8.0
    support = np.ones(_SIZE, np.float32)
    whole = pair_motion(flow, support)
    assert whole.layer_share == pytest.approx(0.25)
    assert whole.layer_px == pytest.approx(8.0, rel=0.01)
    assert whole.similarity_px == pytest.approx(pair_motion(_flow()).similarity_px, rel=0.02)
    support[:, 150:] = 0.1
    hidden = pair_motion(flow, support)
    assert hidden.layer_share == 0
    assert hidden.supported_share == pytest.approx(0.75)


def test_a_pair_that_shows_nothing_still_has_a_motion() -> None:
    found = pair_motion(_flow(), np.zeros(_SIZE, np.float32))
    assert found.supported_share == 0
    assert found.similarity_px > 1
    assert found.doubt == "the pictures show the flow on 0.0% of the picture alone"


def test_what_moved_as_a_whole_is_in_doubt_where_no_similarity_describes_it() -> None:
    assert pair_motion(_flow(), np.ones(_SIZE)).doubt == ""
    layered, waving = _flow(), _flow()
    layered[1, :, 150:] += 8.0
    assert pair_motion(layered).doubt == ""  # the rest moved as one
    waving[1] += 6.0 * np.sin(np.arange(_SIZE[1]) / 12)
    assert "no similarity describes it" in pair_motion(waving).doubt


def test_the_map_of_what_is_shown_lies_beside_the_flow_and_its_share_is_in_the_record(
    tmp_path: Path, photo: np.ndarray
) -> None:
    sharp = np.ascontiguousarray(photo[:160, :224])
    blurry = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    paths = {name: tmp_path / f"{name}.png" for name in ("blurry", "sharp")}
    for path, picture in zip(paths.values(), (blurry, sharp), strict=True):
        cv2.imwrite(str(path), picture[..., ::-1])
    pair = Pair("a", Split.TEST, paths["blurry"], paths["sharp"])
    options = EvaluateOptions(metrics=("psnr",), save_flow=True)
    record = score_files(pair, paths["blurry"], options, save_to=tmp_path / "run")
    shown = cv2.imread(str(next((tmp_path / "run" / "flow").glob("*.support.png"))), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (160, 224)
    share = record.baselines.measured.supported_share
    assert share is not None
    assert share == pytest.approx(float((shown >= 128).mean()), abs=0.02)
