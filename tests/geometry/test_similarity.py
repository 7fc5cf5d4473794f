from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.geometry.similarity import Similarity


def test_a_similarity_about_another_centre_maps_every_point_alike() -> None:
    similarity = Similarity(1.03, 0.4, 5.0, -3.0)
    there = similarity.about((1.5, -0.5))
    slope = 1.03 * np.exp(1j * np.radians(0.4))
    point, delta = 40 - 7j, 1.5 - 0.5j  # from the old centre; the new one lies at delta
    expected = slope * point + complex(5, -3)
    assert delta + slope * (point - delta) + complex(there.shift_x_px, there.shift_y_px) == pytest.approx(expected)
    assert (there.zoom, there.rotation_deg) == (similarity.zoom, similarity.rotation_deg)
