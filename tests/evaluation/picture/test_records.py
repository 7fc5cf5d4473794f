"""Records of pictures and their form as JSON."""

import json
import math

import pytest

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.records import Baselines, PictureRecord, record_from_json, record_to_json, to_number
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.registration.light.transfer import Match, Transfer


def _scores(psnr: float) -> PictureScores:
    row = TruthScores(psnr, 0.75, 0.015625, None, 1.0)
    return PictureScores(dict.fromkeys(GroundTruth, row), 0.5, 0.25)


RECORD = PictureRecord(
    key="k",
    name="a",
    scene="s",
    group="",
    blurry_sha256="b",
    sharp_sha256="c",
    prediction_sha256="d",
    bit_depth=16,
    prediction_bit_depth=32,
    crop="",
    coc_diameter_px=None,
    misalignment_px=3.5,
    misalignment_source="flow",
    exposure_gain=1.25,
    light=Transfer(Match.GAIN, (1.25, 1.2, 1.3), distrust=("gain: known to 2.0 % only",)),
    method=_scores(math.inf),
    baselines=Baselines(_scores(30.0), None, PairMotion(3.5, 0.25, 8.0, 0.75, "swapped")),
)


def test_a_record_survives_json() -> None:
    text = json.dumps(record_to_json(RECORD), allow_nan=False)
    assert record_from_json(json.loads(text)) == RECORD


@pytest.mark.parametrize("damage", [{"schema": 99}, {"method": {}}, {"baselines": None}, {"light": {"gain": 1}}])
def test_another_schema_or_a_damaged_record_is_noticed(damage: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        record_from_json({**record_to_json(RECORD), **damage})


def test_numbers_keep_seven_digits_and_infinity_is_text() -> None:
    assert to_number(12.345678912) == 12.34568
    assert to_number(math.inf) == "inf"
    assert to_number(-math.inf) == "-inf"
    assert to_number(None) is None
