"""Machine code is kept where there is a place for it."""

import numpy as np

from sdd_bench.core import compiled


def test_a_package_that_cannot_be_written_to_is_compiled_all_the_same(monkeypatch):
    def no_place(function, **options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return ("compiled", function, options)

    monkeypatch.setattr(compiled.numba, "njit", no_place)
    assert compiled.compiled(np.square)[:2] == ("compiled", np.square)
