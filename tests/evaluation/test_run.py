"""Runs from a set and a folder of predictions to a sealed run folder."""

import csv
import dataclasses
import json
import math
import os
import statistics
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sdd_bench import weights
from sdd_bench.core.errors import ConfigError, ImageError, OutputError, PairingError, WeightsError
from sdd_bench.core.storage.claims import alone_in
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Split
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.per_image import GAINS, SHARES
from sdd_bench.evaluation.picture.cache import open_cache
from sdd_bench.evaluation.provenance import provenance
from sdd_bench.evaluation.run import RunReport, evaluate
from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.runs.read import read_run
from sdd_bench.leaderboard.site.media import PictureSource, make_pictures
from sdd_bench.models.network import load_network
from sdd_bench.prediction.run import predict
from sdd_bench.prepared.open import open_dataset


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def score(make_set: Any, predictions: Path, run: Path, fast: EvaluateOptions) -> Any:
    """Makes three pairs at the first call, and scores."""
    made: list[Any] = []

    def call(**changes: Any) -> RunReport:
        if not made:
            made.append(changes.pop("dataset", None) or make_set())
        where = {name: changes.pop(name) for name in ("jobs", "dask", "cache") if name in changes}
        folder, method = changes.pop("run_folder", run), changes.pop("method", None)
        options = dataclasses.replace(fast, **changes)
        return evaluate(made[0], predictions, folder, method=method, options=options, **where)

    return call


def _rows(run: Path) -> list[dict[str, str]]:
    with open(run / "per_image.csv", newline="") as file:
        return list(csv.DictReader(file))


def _stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def _inodes(folder: Path) -> dict[str, int]:
    """Of files that are replaced as a whole when they are written, and whose times change when they are read."""
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_a_run_names_the_network_of_its_predictions(
    make_set: Any, tmp_path: Path, run: Path, fast: EvaluateOptions
) -> None:
    dataset, out = make_set(2), tmp_path / "bundled"
    network = load_network(weights.path("unet-folded"))
    predict(network, {pair.name: pair.blurry_path for pair in dataset.pairs}, out)
    found = evaluate(dataset, out, run, options=fast).summary["prediction"]
    assert (found["model"], found["sha256"]) == ("unet-folded", weights.sha256("unet-folded"))
    assert found["params"] == network.parameters == 2354076
    assert found["seconds_per_mpx"] > 0
    assert found["options"]["precision"] == "32"
    entries = entries_of(read_run(run))
    assert {(entry.params, entry.seconds_per_mpx) for entry in entries} == {(2354076, found["seconds_per_mpx"])}


def test_a_prediction_that_was_exchanged_is_noted(
    make_set: Any, tmp_path: Path, run: Path, fast: EvaluateOptions
) -> None:
    dataset, out = make_set(2), tmp_path / "bundled"
    pictures = {pair.name: pair.blurry_path for pair in dataset.pairs}
    predict(load_network(weights.path("unet-folded")), pictures, out)
    (out / "p1.png").write_bytes(dataset.pairs[1].sharp_path.read_bytes())
    report = evaluate(dataset, out, run, options=fast)
    assert report.summary["prediction"] is None
    assert "1 prediction(s) (p1) are not as predict made them" in report.notes[-1]


def test_the_long_table_holds_method_identity_and_ceiling(score: Any, run: Path) -> None:
    report = score()
    assert report.problems == ()
    rows = _rows(run)
    assert [(row["method"], row["image"], row["ground_truth"]) for row in rows] == [
        (method, f"p{number}", truth)
        for method in ("ours", "identity", "ceiling")
        for number in range(3)
        for truth in ("raw", "warped", "registered", "matched")
    ]
    first = rows[0]
    labels, metrics = ["method", "image", "scene", "group", "ground_truth"], ["psnr", "ssim", "mae", "lpips"]
    measures = ["valid_share", "drift_px", "deform_px", "coc_diameter_px", "misalignment_px", "misalignment_doubt"]
    measures += ["layer_share", "layer_px", "supported_share"]
    levels = ["blur_px", *SHARES, *GAINS, "focus_change"]
    assert list(first) == [*labels, *metrics, *measures, *levels]
    assert (first["scene"], first["group"], first["lpips"], first["coc_diameter_px"]) == ("s0", "outdoor", "", "1.0")
    assert float(first["misalignment_px"]) == pytest.approx(math.hypot(3, 2))


def test_means_of_the_summary_are_those_of_the_table(score: Any, run: Path) -> None:
    score()
    summary = json.loads((run / "summary.json").read_text())
    rows = _rows(run)
    for method, truths in summary["scores"].items():
        for truth, metrics in truths.items():
            for metric, estimate in metrics.items():
                values = [
                    float(row[metric]) for row in rows if row["method"] == method and row["ground_truth"] == truth
                ]
                assert estimate["mean"] == pytest.approx(statistics.fmean(values), rel=1e-6)
                assert estimate["median"] == pytest.approx(statistics.median(values), rel=1e-6)
                assert (estimate["low"], estimate["high"]) == (None, None)  # of three pictures
                assert estimate["n_infinite"] == 0
    indoor = [float(row["psnr"]) for row in rows if (row["method"], row["group"]) == ("ours", "indoor")]
    assert summary["groups"]["indoor"]["raw"]["psnr"] == pytest.approx(indoor[0], rel=1e-6)
    assert summary["group_sizes"] == {"indoor": 1, "outdoor": 2}
    assert [(level["from_px"], level["n"]) for level in summary["blur_levels"]] == [(0.0, 2), (5.0, 1)]
    assert [(level["from_px"], level["n"]) for level in summary["misalignment_bins"]] == [(2.0, 3)]


def test_the_summary_says_where_the_method_helps(score: Any, run: Path) -> None:
    summary = score().summary
    levels = summary["regions"]["ours"]["levels"]
    assert [level["from_px"] for level in levels] == [0.0, 2.0, 5.0, 10.0, 20.0]
    blurred = max(levels, key=lambda level: level["share"])
    assert blurred["from_px"] in (2.0, 5.0)  # a Gaussian of 1.5 px spreads as a disk of 6 px
    assert blurred["gain_db"] > 1
    assert all(level["gain_db"] in (0.0, None) for level in summary["regions"]["identity"]["levels"])
    rows = [row for row in _rows(run) if (row["method"], row["ground_truth"]) == ("ours", "matched")]
    column = f"gain_from_{blurred['from_px']:g}_px"
    assert blurred["gain_db"] == pytest.approx(statistics.fmean(float(row[column]) for row in rows if row[column]))


def test_the_summary_says_what_the_run_depends_on(score: Any, run: Path) -> None:
    summary = score().summary
    assert summary == json.loads((run / "summary.json").read_text())
    assert (summary["schema"], summary["method"], summary["complete"]) == (1, "ours", True)
    assert summary["dataset"]["name"] == "captures"
    assert (summary["dataset"]["split"], summary["dataset"]["n_pairs"]) == ("test", 3)
    assert (summary["bit_depth"], summary["resize"], summary["crop"], summary["warp"]) == (8, "none", "none", "exact")
    assert summary["flow"]["name"] == "dis"
    assert summary["provenance"]["options"]["metrics"] == ["psnr", "ssim", "mae"]
    assert f"pixels={summary['dataset']['pixels_sha256']}" in summary["signature"]["raw"]
    assert "warp=exact" in summary["signature"]["warped"]


def test_the_seal_is_written_last_and_names_the_hashes(score: Any, run: Path) -> None:
    score()
    seal = json.loads((run / "run.json").read_text())
    assert seal == {"schema": 1, "files": {name: sha256_of(run / name) for name in ("per_image.csv", "summary.json")}}
    assert (run / "run.json").stat().st_mtime_ns >= max(
        (run / name).stat().st_mtime_ns for name in ("per_image.csv", "summary.json")
    )


def test_ground_truths_rank_as_the_geometry_says(score: Any) -> None:
    scores = score().summary["scores"]
    means = {m: {t: scores[m][t]["psnr"]["mean"] for t in scores[m]} for m in scores}
    assert means["identity"]["warped"] == means["identity"]["registered"] > means["identity"]["raw"] + 2
    assert means["ceiling"]["registered"] > means["ours"]["registered"] > means["identity"]["registered"]


def test_finished_pictures_are_not_computed_again(score: Any, run: Path) -> None:
    score()
    before = _stamps(run / "pictures")
    table = (run / "per_image.csv").read_bytes()
    score()
    assert _stamps(run / "pictures") == before
    assert (run / "per_image.csv").read_bytes() == table


def test_a_changed_prediction_is_computed_again_and_only_it(score: Any, run: Path, predictions: Path) -> None:
    score()
    before, rows = _stamps(run / "pictures"), _rows(run)
    cv2.imwrite(str(predictions / "p1.png"), 255 - cv2.imread(str(predictions / "p1.png")))
    score()
    after = _stamps(run / "pictures")
    assert [name for name in before if before[name] != after[name]] == ["p1.json"]
    changed = {(row["method"], row["image"]) for row, other in zip(_rows(run), rows, strict=True) if row != other}
    assert changed == {("ours", "p1")}


def test_a_changed_ground_truth_is_computed_again(score: Any, run: Path) -> None:
    before = score().summary
    path = run.parent / "captures/test/gt/p2.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    after = score().summary
    assert after["scores"]["ours"]["raw"] != before["scores"]["ours"]["raw"]
    assert after["signature"]["raw"] != before["signature"]["raw"]


def test_a_limited_run_is_incomplete_and_can_be_finished(score: Any, run: Path) -> None:
    report = score(limit=2)
    assert (report.summary["complete"], report.summary["n_images"], report.summary["n_expected"]) == (False, 2, 3)
    assert report.problems == ()
    assert report.notes[0].startswith("INCOMPLETE: 2 of 3")
    before = _stamps(run / "pictures")
    assert score().summary["complete"]
    assert {name: _stamps(run / "pictures")[name] for name in before} == before


def test_a_second_method_reuses_flows_and_baselines(score: Any, run: Path) -> None:
    first = score()
    shared = Path(os.environ["SDD_BENCH_CACHE"]) / "registered"
    before = _inodes(shared)
    assert (
        sorted(Path(name).suffix for name in before)
        == [".blur"] * 3 + [".exposure"] * 3 + [".flow"] * 3 + [".light"] * 3 + [".scores"] * 3
    )
    assert not (run.parent / "captures/registered").exists()
    second = score(run_folder=run.with_name("other"), method="other")
    assert _inodes(shared) == before
    assert second.summary["signature"] == first.summary["signature"]
    assert second.summary["scores"]["identity"] == first.summary["scores"]["identity"]


def test_a_changed_digit_of_a_finished_picture_is_computed_again(score: Any, run: Path) -> None:
    score()
    path = run / "pictures/p1.json"
    whole, table = path.read_text(), (run / "per_image.csv").read_bytes()
    start = whole.index('"psnr": ') + len('"psnr": ')
    path.write_text(f"{whole[:start]}9{whole[start + 1 :]}")
    score()
    assert path.read_text() == whole
    assert (run / "per_image.csv").read_bytes() == table


def test_a_cache_that_cannot_be_used_is_noted_and_scores_are_the_same(score: Any, run: Path, tmp_path: Path) -> None:
    first = score()
    (tmp_path / "file").touch()
    second = score(run_folder=run.with_name("other"), cache=open_cache(tmp_path / "file"))
    assert (first.cache_note, second.cache_note[: len("cache /")]) == ("", "cache /")
    assert (run.with_name("other") / "per_image.csv").read_bytes() == (run / "per_image.csv").read_bytes()
    assert "cache" not in (run.with_name("other") / "summary.json").read_text()


def test_runs_share_the_cache_and_nothing_lies_beside_the_captures(score: Any, run: Path, tmp_path: Path) -> None:
    score(run_folder=run.with_name("first"))
    before = sorted((run.parent / "captures").rglob("*"))
    assert {path.suffix for path in before} == {"", ".png", ".json", ".csv"}
    cache = open_cache(tmp_path / "cache")
    score(cache=cache)
    assert len(list((tmp_path / "cache/registered").iterdir())) == 15
    assert sorted((run.parent / "captures").rglob("*")) == before
    score(run_folder=run.with_name("other"), cache=cache)
    assert (run.with_name("other") / "per_image.csv").read_bytes() == (run / "per_image.csv").read_bytes()


def test_flow_and_ground_truth_can_be_kept(score: Any, run: Path) -> None:
    from sdd_bench.flow.flo import read_flo

    score()
    score(save_flow=True, save_warped=True)
    flow = read_flo(run / "flow/p0.flo")
    assert flow.shape == (2, 96, 128)
    np.testing.assert_allclose(np.median(flow, axis=(1, 2)), (3, -2), atol=0.15)
    aligned = cv2.imread(str(run.parent / "captures/truth/test/p0_aligned.png")).astype(float)
    for truth in ("warped", "registered", "matched"):
        kept = cv2.imread(str(run / f"warped/{truth}/p0.png")).astype(float)
        assert np.abs(kept - aligned)[8:-8, 8:-8].mean() < 3


def test_other_options_or_another_method_refuse_the_folder(score: Any, run: Path) -> None:
    score()
    with pytest.raises(ConfigError, match=r"that was begun differently \(warp was 'exact', now 'released'\)"):
        score(warp="released")
    with pytest.raises(ConfigError, match="method was 'ours', now 'theirs'"):
        score(method="theirs")
    assert (run / "run.json").is_file(), "a refused call leaves the finished run as it is"


def test_a_folder_of_something_else_is_left_alone(score: Any, predictions: Path) -> None:
    with pytest.raises(OutputError, match=r"ours: holds .* and is not a run \(has no options\.json\)"):
        score(run_folder=predictions)


def test_a_damaged_options_file_is_named(score: Any, run: Path) -> None:
    run.mkdir()
    (run / "options.json").write_text("[1")
    with pytest.raises(OutputError, match=r"options\.json: damaged"):
        score()


def test_a_damaged_record_is_computed_again(score: Any, run: Path) -> None:
    score()
    table = (run / "per_image.csv").read_bytes()
    (run / "pictures/p0.json").write_text('{"schema": 1')
    (run / "pictures/p1.json").write_text("{}")
    score()
    assert (run / "per_image.csv").read_bytes() == table


def test_a_network_that_crops_is_compared_with_one_that_does_not(score: Any, predictions: Path, run: Path) -> None:
    full = score(crop_to="121x89")
    whole = {path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in predictions.glob("*.png")}
    scored = {row["image"]: row["psnr"] for row in _rows(run) if row["method"] == full.summary["method"]}
    for path, picture in whole.items():
        assert picture.shape[:2] == (96, 128)
        cv2.imwrite(str(path), picture[3:92, 3:124])  # the middle
    cropped = score(crop="center", run_folder=run.parent / "cropped")
    assert full.summary["signature"] == cropped.summary["signature"]
    assert full.summary["crop"] == "center:121x89"
    again = _rows(run.parent / "cropped")
    assert scored == {row["image"]: row["psnr"] for row in again if row["method"] == cropped.summary["method"]}
    with pytest.raises(ImageError, match="smaller than the 128x96 to score"):
        score(crop_to="128x96", run_folder=run.parent / "larger")
    for path, picture in whole.items():
        cv2.imwrite(str(path), picture)
    made = [make_pictures(task) for task in PictureSource.open(run).tasks(run.parent / "media")]
    shape = cv2.imread(str(run.parent / "media" / made[0].previews["deblurred"])).shape
    assert shape == (89, 121, 3)


def test_bad_predictions_are_listed_and_the_others_scored(score: Any, predictions: Path, make_set: Any) -> None:
    dataset = make_set(7)
    (predictions / "p0.png").unlink()
    (predictions / "p1.png").write_bytes(b"")
    cv2.imwrite(str(predictions / "p2.png"), np.zeros((40, 40, 3), np.uint8))
    (predictions / "p3.png").unlink()
    np.save(predictions / "p3.npy", np.full((96, 128, 3), np.nan, np.float32))
    (predictions / "p4.npy").write_bytes(b"x")
    cv2.imwrite(str(predictions / "stranger.png"), np.zeros((40, 40, 3), np.uint8))
    report = score(dataset=dataset)
    reasons = {problem.item: problem.reason for problem in report.problems}
    assert list(reasons) == ["p0", "p4", "stranger.png", "p1", "p2", "p3"]
    assert "several predictions" in reasons["p4"]
    assert "no prediction" in reasons["p0"]
    assert "p1.png" in reasons["p1"]
    assert "not a crop of it" in reasons["p2"]
    assert "NaN" in reasons["p3"]
    assert (report.summary["complete"], report.summary["n_images"]) == (False, 2)
    assert [problem["item"] for problem in report.summary["problems"]] == list(reasons)


def test_a_split_that_lost_a_pair_is_incomplete(score: Any, make_set: Any, run: Path) -> None:
    make_set(4)
    captures = run.parent / "captures"
    (captures / "test/gt/p3.png").unlink()
    for path in (captures / "train/blur/t.png", run.parent / "ours/p3.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    report = score(dataset=open_dataset(captures))
    assert (report.summary["complete"], report.summary["n_images"], report.summary["n_expected"]) == (False, 3, 4)
    assert [problem.item for problem in report.problems] == ["test/blur/p3.png", "p3.png"]
    assert report.notes[0].startswith("INCOMPLETE: 3 of 4")


def test_a_run_made_again_keeps_its_seal(score: Any, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score()
    before = {name: (run / name).read_bytes() for name in ("per_image.csv", "summary.json", "run.json")}
    later = {**provenance("cpu"), "date": "2100-01-01T00:00:00Z"}
    monkeypatch.setattr("sdd_bench.evaluation.run.provenance", lambda device: later)
    report = score(save_flow=True, save_warped=True)
    assert {name: (run / name).read_bytes() for name in before} == before
    assert report.summary == json.loads(before["summary.json"])
    later["tool_version"] = "another"
    assert score().summary["provenance"]["date"] == later["date"]


def test_what_was_saved_of_an_old_prediction_goes_with_its_record(score: Any, run: Path, predictions: Path) -> None:
    score(save_flow=True, save_warped=True)
    cv2.imwrite(str(predictions / "p1.png"), 255 - cv2.imread(str(predictions / "p1.png")))
    score()
    for folder, suffix in (
        ("flow", "flo"),
        ("warped/warped", "png"),
        ("warped/registered", "png"),
        ("warped/matched", "png"),
    ):
        assert sorted(path.name for path in (run / folder).iterdir()) == [f"p0.{suffix}", f"p2.{suffix}"]
    score(save_warped=True)
    assert (run / "warped/warped/p1.png").is_file()
    score(save_flow=True)
    assert (run / "flow/p1.flo").is_file()
    assert (run / "warped/warped/p1.png").is_file(), "it is of the record that is still right"


def test_a_run_killed_at_its_first_write_goes_on(score: Any, run: Path) -> None:
    run.mkdir()
    (run / "options.json.partial").write_text("{")
    assert score().summary["complete"]


def test_a_second_start_at_once_is_told_to_wait(score: Any, run: Path) -> None:
    with alone_in(run), pytest.raises(OutputError, match="another run is writing here. Wait for it"):
        score()
    assert score().summary["complete"]


def test_predictions_may_be_links_to_files_of_another_name(score: Any, make_set: Any, predictions: Path) -> None:
    dataset = make_set(1)
    blob = (predictions / "p0.png").rename(predictions.parent / "0a1b2c")
    (predictions / "p0.png").symlink_to(blob)
    assert score(dataset=dataset).summary["complete"]


def test_two_pairs_of_one_name_are_refused(score: Any, make_set: Any) -> None:
    dataset = make_set(2)
    train = tuple(dataclasses.replace(pair, split=Split.TRAIN) for pair in dataset.pairs)
    with pytest.raises(PairingError, match="two pairs are called p0; evaluate one split at a time"):
        score(dataset=dataclasses.replace(dataset, pairs=dataset.pairs + train))


def test_no_usable_prediction_at_all_is_an_error(score: Any, predictions: Path, make_set: Any, run: Path) -> None:
    dataset = make_set(2)
    for path in predictions.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(ImageError, match="not one picture could be scored"):
        score(dataset=dataset)
    assert not (run / "run.json").exists()


def test_missing_lpips_weights_leave_nothing(score: Any, package: Path, run: Path) -> None:
    (package / weights.TABLE["alexnet"].file).unlink()
    with pytest.raises(WeightsError, match="Install sdd-bench again"):
        score(metrics=("psnr", "lpips"))
    assert not run.exists()


def test_equal_pictures_are_counted_as_infinite(score: Any, run: Path, predictions: Path, make_set: Any) -> None:
    dataset = make_set(3)
    (predictions / "p0.png").write_bytes((run.parent / "captures/test/gt/p0.png").read_bytes())
    report = score(dataset=dataset)
    estimate = report.summary["scores"]["ours"]["raw"]["psnr"]
    values = [float(row["psnr"]) for row in _rows(run) if (row["method"], row["ground_truth"]) == ("ours", "raw")]
    assert values[0] == math.inf
    assert estimate["n_infinite"] == 1
    assert estimate["mean"] == pytest.approx(statistics.fmean(values[1:]), rel=1e-6)
    assert estimate["median"] == pytest.approx(statistics.median(values), rel=1e-6)
    count = sum(row["psnr"] == "inf" for row in _rows(run) if row["method"] == "ours")
    assert any(f"{count} PSNR value(s) of ours are infinite" in note for note in report.notes)


def test_pwcnet_is_the_default_flow(make_set: Any, predictions: Path, run: Path) -> None:
    options = EvaluateOptions(metrics=("psnr",))
    summary = evaluate(make_set(1), predictions, run, options=options).summary
    assert summary["flow"]["name"] == "pwcnet"
    assert summary["flow"]["sha256"][:12] in summary["signature"]["registered"]
    identity = summary["scores"]["identity"]
    assert identity["registered"]["psnr"]["mean"] > identity["raw"]["psnr"]["mean"] + 2


@pytest.mark.slow
def test_two_processes_give_the_table_of_one(score: Any, run: Path) -> None:
    score()
    score(jobs=2, run_folder=run.with_name("two"))
    assert (run.with_name("two") / "per_image.csv").read_bytes() == (run / "per_image.csv").read_bytes()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_table_of_one_process(score: Any, run: Path) -> None:
    distributed = pytest.importorskip("distributed")
    score()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        score(dask=cluster.scheduler_address, run_folder=run.with_name("dask"))
    assert (run.with_name("dask") / "per_image.csv").read_bytes() == (run / "per_image.csv").read_bytes()
