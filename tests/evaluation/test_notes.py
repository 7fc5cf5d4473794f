"""The sentences beside a table."""

import dataclasses
import math
import re
from typing import Any

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.notes import notes_on
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.records import Baselines, PictureRecord
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.evaluation.regions import RegionScores
from sdd_bench.evaluation.summary import rows_of
from sdd_bench.registration.evidence.roles import SWAPPED
from sdd_bench.registration.light.transfer import Transfer, failed


def _scores(registered: float | None, *, warped: float | None = None, **motion: float) -> PictureScores:
    rows = {truth: TruthScores(registered, None, None, None, motion.get("share", 1.0)) for truth in GroundTruth}
    if warped is not None:
        rows[GroundTruth.WARPED] = TruthScores(warped, None, None, None, 1.0)
    return PictureScores(rows, motion.get("drift", 0.0), motion.get("deform", 0.0))


def _notes(
    method: list[PictureScores],
    *,
    n_expected: int | None = None,
    misalignment: float = 0.0,
    exposure: float = 1.0,
    ceiling: float | None = None,
    light: Transfer | None = None,
    measured: PairMotion | None = None,
    flow: str = "pwcnet",
) -> str:
    light = light or Transfer()
    labels: dict[str, Any] = dict.fromkeys(("key", "scene", "group", "blurry_sha256", "sharp_sha256"), "")
    labels |= dict.fromkeys(("prediction_sha256", "crop"), "")
    psnr = method[0].truths[GroundTruth.RAW].psnr
    records = [
        PictureRecord(
            **labels,
            name=f"p{number}",
            bit_depth=8,
            prediction_bit_depth=8,
            coc_diameter_px=None,
            misalignment_px=misalignment,
            misalignment_source="flow",
            exposure_gain=exposure ** (1 - 2 * (number % 2)),
            light=light,
            method=scores,
            baselines=Baselines(
                _scores(None if psnr is None else 30.0 + number),
                None if ceiling is None else _scores(ceiling),
                measured or PairMotion(0.0, 0.0, 0.0),
            ),
        )
        for number, scores in enumerate(method)
    ]
    n_expected = n_expected or len(records)
    return "\n".join(notes_on(rows_of(records, "net"), method="net", n_expected=n_expected, flow=flow))


def test_layers_and_roles_and_what_is_not_shown_are_said() -> None:
    moved = PairMotion(0.4, layer_share=0.3, layer_px=12.0, supported_share=0.6, note=SWAPPED)
    notes = _notes([_scores(30.0), _scores(31.0)], measured=moved)
    assert "In 2 of 2 pairs, layers moved against the rest: 30% of the picture, by 12.0 px" in notes
    assert "40% of the registered ground truth lies where the pictures show no flow" in notes
    assert f"2 of 2 pairs (p0, ...): {SWAPPED}." in notes
    unsure = _notes([_scores(30.0)], measured=PairMotion(0.4, 0.0, 0.0, 0.02, doubt="little is shown"))
    assert "What moved as a whole is in doubt in 1 of 1 pair; p0: little is shown." in unsure
    still = _notes([_scores(30.0)], measured=PairMotion(0.4, 0.01, 9.0, 0.95))
    assert "in doubt" not in still
    assert "layers" not in still
    assert "show no flow" not in still


def test_better_worse_and_undecided_are_told_apart() -> None:
    better, worse, unsure = (
        _notes([_scores(30.0 + number + gain) for number, gain in enumerate(gains)])
        for gains in ([1.0, 1.2, 1.1] * 3, [-1.0, -0.8, -0.9] * 3, [1.0, -1.2, 0.1] * 3)
    )
    found = re.search(r"net against its input, registered PSNR: \+1\.10 dB \[\+(.+), \+(.+)\]: better than its", better)
    assert found
    assert 1.0 < float(found[1]) < 1.1 < float(found[2]) < 1.2
    assert "WORSE than its own input." in worse
    assert "]: no difference shown." in unsure


def test_harm_in_focus_is_said_and_a_trifle_is_not() -> None:
    def noted(gain_db: float, n: int = 8) -> str:
        regions = RegionScores(3.0, (0.5, 0.5, 0.0, 0.0, 0.0), (gain_db, 2.0, None, None, None), 0.01)
        return _notes([dataclasses.replace(_scores(31.0 + number), regions=regions) for number in range(n)])

    assert "HARM: where the input is in focus, net is 1.50 dB worse than the input [-1.50, -1.50]" in noted(-1.5)
    assert "HARM" not in noted(-0.05)
    assert "HARM" not in noted(1.0)
    assert "HARM" not in noted(-1.5, n=3)  # too few to tell


def test_few_pictures_have_no_verdict() -> None:
    text = _notes([_scores(31.0), _scores(32.2), _scores(33.1)])
    assert "registered PSNR: +1.10 dB: too few pictures to tell: 3 cannot reach 5 % (smallest p 0.25)." in text


def test_a_gain_below_what_the_ground_truth_costs_is_not_called_better() -> None:
    gains = [_scores(30.0 + number + 0.04 + 0.001 * number) for number in range(8)]
    assert "better than its own input" in _notes(gains)
    assert "+0.04 dB [+0.04, +0.05]: no difference shown: below the 0.11 that" in _notes(gains, ceiling=49.5)


def test_a_gain_from_its_own_flow_is_pointed_out() -> None:
    text = _notes([_scores(30.0, warped=32.0, drift=1.5), _scores(31.0, warped=33.1, drift=1.7)])
    assert "scores +2.05 dB higher on warped than on registered" in text
    assert "moves the picture by 1.60 px on average (drift)" in text


def test_a_gain_from_its_own_flow_that_may_be_chance_is_not() -> None:
    text = _notes([_scores(30.0, warped=30.0 + gain) for gain in (1.3, -0.8) * 4])
    assert "higher on warped" not in text


def test_a_steady_method_gets_no_warning() -> None:
    text = _notes([_scores(31.0, warped=31.05, drift=0.1), _scores(32.2, warped=32.2, drift=0.1)])
    assert "higher on warped" not in text
    assert "drift" not in text


def test_bent_lines_misaligned_sets_borders_and_gaps_are_said() -> None:
    text = _notes([_scores(31.0, deform=0.9, share=0.9)], n_expected=4, misalignment=3.25)
    assert text.startswith("INCOMPLETE: 1 of 4 pictures were scored")
    assert "bends the picture by 0.90 px" in text
    assert "lie 3.25 px apart on average" in text
    assert "10.0% of the registered ground truth" in text


def test_a_flow_that_shows_no_deformation_warns_of_none() -> None:
    assert "bends" not in _notes([_scores(31.0, deform=1.37)], flow="dis")


def test_a_difference_in_exposure_is_said_whichever_is_brighter() -> None:
    text = _notes([_scores(31.0), _scores(31.0)], exposure=1.5)
    assert "differ in brightness by a factor of 1.50" in text
    assert "exposure" not in _notes([_scores(31.0)], exposure=1.05)


def test_light_in_doubt_is_said_with_its_reason() -> None:
    doubted = _notes([_scores(31.0), _scores(31.0)], light=failed("another scene: light correlates by 0.10"))
    assert "The light of 2 of 2 pairs is in doubt" in doubted
    assert "p0: another scene: light correlates by 0.10." in doubted
    assert "in doubt" not in _notes([_scores(31.0)])


def test_runs_without_psnr_and_with_infinite_psnr_have_notes() -> None:
    assert _notes([_scores(None, drift=0.7)]).startswith("net moves the picture")
    assert "4 PSNR value(s) of net are infinite" in _notes([_scores(math.inf), _scores(31.0)])
