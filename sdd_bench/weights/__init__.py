"""Network weights that come with the package: where each file is, and whether it is the right one.

``pwcnet`` estimates flow, ``alexnet`` is the backbone of LPIPS, the others are deblurring networks. :data:`TABLE` holds
the sha256 of every file; a file with another sha256 is never handed out. A card (``NAME.md``) beside each file says
where it comes from and under which licence.
"""

from sdd_bench.weights.table import TABLE, Listed, State, Weight, listing, path, sha256, state, verify

__all__ = ["TABLE", "Listed", "State", "Weight", "listing", "path", "sha256", "state", "verify"]
