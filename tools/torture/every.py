"""All kinds of faults."""

from __future__ import annotations

from tools.torture.changing import ChangingFiles
from tools.torture.clusters import ClusterDeaths
from tools.torture.commands import BY_NAME, Bench
from tools.torture.disks import FullDisks
from tools.torture.fuzz import Fuzz
from tools.torture.growth import Growth
from tools.torture.kills import KillMoments, KillPoints
from tools.torture.kinds import Kind
from tools.torture.races import Races

SHORT = {"kill-point": 12, "kill-moment": 2, "full-disk": 4, "fuzz": 75, "changing-file": 2, "race": 2}
"""Attempts of each kind in the short form, which leaves out what takes long: Dask and growth."""
_CHEAP = ("add", "add-replace", "prepare", "export-imagefolder", "predict-classical", "synth")


def short_kinds_of(bench: Bench) -> list[Kind]:
    """The kinds of the short form, with the commands that are fastest."""
    cheap = tuple(BY_NAME[name] for name in _CHEAP)
    return [
        KillPoints(bench, cheap), KillMoments(bench, cheap), FullDisks(bench, cheap), Fuzz(bench, batch=3),
        ChangingFiles(bench, ("predict",)), Races(bench, ("prepare", "add-two")),
    ]  # fmt: skip


def kinds_of(bench: Bench) -> list[Kind]:
    """The kinds, in the order of the report."""
    return [
        KillPoints(bench), KillMoments(bench), FullDisks(bench), Fuzz(bench), ChangingFiles(bench), Races(bench),
        ClusterDeaths(bench), Growth(bench),
    ]  # fmt: skip
