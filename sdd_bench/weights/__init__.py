"""Network weights that come with the package, by name: where each file is, and that it is the right one.

``pwcnet`` estimates flow, ``alexnet`` is the backbone of LPIPS, the others are deblurring networks. Every file has
its sha256 in :data:`TABLE`, and none is handed out that does not have it. A card (``NAME.md``) beside each file says
where it comes from and under which licence.
"""

from sdd_bench.weights.table import TABLE, Listed, State, Weight, listing, path, sha256, state, verify

__all__ = ["TABLE", "Listed", "State", "Weight", "listing", "path", "sha256", "state", "verify"]
