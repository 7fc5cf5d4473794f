"""What a run says of the network behind its predictions, and when it says nothing."""

import json
from pathlib import Path

import pytest

from sdd_bench.core.storage.files import sha256_of
from sdd_bench.evaluation.prediction import prediction_of


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    """Two predictions with their seal."""
    files = {name: tmp_path / f"{name}.png" for name in ("a", "b")}
    for name, path in files.items():
        path.write_bytes(name.encode())
    seal = {
        "schema": 2,
        "model": "mprnet",
        "sha256": "0" * 64,
        "width": 8,
        "pictures": {"a": "", "b": ""},
        "made": {
            "a": {"sha256": sha256_of(files["a"]), "seconds": 3.0, "megapixels": 2.0},
            "b": {"sha256": sha256_of(files["b"]), "seconds": 1.0, "megapixels": 0.5},
        },
        "params": 1000,
        "device": "cpu",
    }
    (tmp_path / "predict.json").write_text(json.dumps(seal))
    return files


def change(folder: Path, **changes: object) -> None:
    path = folder / "predict.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_network_weights_options_and_cost_are_copied(made: dict[str, Path]) -> None:
    found, doubt = prediction_of(made)
    assert doubt == ""
    assert found == {
        "model": "mprnet",
        "sha256": "0" * 64,
        "params": 1000,
        "seconds_per_mpx": 1.6,
        "device": "cpu",
        "options": {"width": 8},
    }


def test_predictions_that_say_nothing_are_of_any_program(tmp_path: Path) -> None:
    assert prediction_of({"a": tmp_path / "a.png"}) == (None, "")


def test_a_prediction_that_was_changed_afterwards_names_no_network(made: dict[str, Path]) -> None:
    made["b"].write_bytes(b"better")
    found, doubt = prediction_of(made)
    assert found is None
    assert "1 prediction(s) (b) are not as predict made them" in doubt


@pytest.mark.parametrize("damage", [{"made": {}}, {"made": None}, {"made": {"a": {}, "b": {}}}])
def test_a_seal_that_does_not_know_every_prediction_is_not_believed(
    damage: dict[str, object], made: dict[str, Path]
) -> None:
    change(made["a"].parent, **damage)
    found, doubt = prediction_of(made)
    assert found is None
    assert "predict them anew" in doubt


def test_predictions_made_before_times_were_taken_have_none(made: dict[str, Path]) -> None:
    change(made["a"].parent, made={name: {"sha256": sha256_of(path)} for name, path in made.items()})
    found, _ = prediction_of(made)
    assert found is not None
    assert found["seconds_per_mpx"] is None


@pytest.mark.parametrize("value", [None, "3.0", [], {}])
def test_a_seal_whose_times_are_no_numbers_says_nothing(value: object, made: dict[str, Path]) -> None:
    of_a = {"sha256": sha256_of(made["a"]), "seconds": value, "megapixels": 2.0}
    change(made["a"].parent, made={"a": of_a, "b": {"sha256": sha256_of(made["b"])}})
    found, doubt = prediction_of(made)
    assert found is None
    assert "does not say of all of them how they were made" in doubt


def test_a_seal_nested_without_end_says_nothing(made: dict[str, Path]) -> None:
    (made["a"].parent / "predict.json").write_text("[" * 100_000)
    assert prediction_of(made)[0] is None
