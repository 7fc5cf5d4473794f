"""One table a channel, applied in one pass."""

import numpy as np

from sdd_bench.registration.light.look_up import look_up


def test_values_between_entries_are_interpolated_and_those_outside_clipped(rng: np.random.Generator) -> None:
    picture = rng.uniform(-0.2, 1.2, (70, 53, 3)).astype(np.float32)
    tables = np.cumsum(rng.random((3, 4097)), axis=1).astype(np.float32)
    found = look_up(picture, tables)
    places = np.linspace(0, 1, tables.shape[1])
    expected = np.stack([np.interp(picture[..., c], places, tables[c]) for c in range(3)], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_what_is_not_known_stays_unknown_alone() -> None:
    picture = np.zeros((2, 2, 3), np.float32)
    picture[0, 1, 2] = np.nan
    found = look_up(picture, np.tile(np.float32([0.25, 1]), (3, 1)))
    assert np.isnan(found[0, 1, 2])
    assert np.nansum(found) == 0.25 * 11


def test_a_part_of_a_picture_is_as_that_part_of_the_whole(rng: np.random.Generator) -> None:
    picture, tables = rng.random((40, 30, 3), np.float32), rng.random((3, 9), np.float32)
    np.testing.assert_array_equal(look_up(picture[3::3, 1::2], tables), look_up(picture, tables)[3::3, 1::2])
