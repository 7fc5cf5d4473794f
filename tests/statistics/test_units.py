"""Units of resampling: scenes, and pictures without one."""

import numpy as np

from sdd_bench.statistics.units import by_unit, units_of


def test_a_scene_is_one_unit_and_a_picture_without_scene_another() -> None:
    assert units_of(["b", "", "a", "b", "", "1"], 6).tolist() == [0, 1, 2, 0, 3, 4]
    assert units_of(None, 3).tolist() == [0, 1, 2]


def test_sums_and_counts_are_those_of_scenes_of_unequal_size() -> None:
    sums, counts = by_unit(np.array([[1.0, 2.0, 4.0, 8.0], [1.0, 0.0, 1.0, 0.0]]), np.array([0, 1, 0, 0]))
    assert sums.tolist() == [[13.0, 2.0], [2.0, 0.0]]
    assert counts.tolist() == [3.0, 1.0]
