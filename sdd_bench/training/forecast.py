"""How long a training will take, from the time of one step of each stage; and the loss as a person can read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdd_bench.core.words import counted
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.step import Stage, stage_of

_LONG_S = 30 * 60.0
"""A training that takes longer gets advice on how to take less."""
_SMOOTHING = 0.02


@dataclass(frozen=True)
class Left:
    """Steps of a stage that are left."""

    steps: int
    first_epoch: int
    """First epoch that has some of them, counted from 0."""


def left_by_stage(config: TrainConfig, step: int, n_steps: int, steps_per_epoch: int) -> dict[Stage, Left]:
    """What is left of a run after ``step`` of its ``n_steps``, in the order of the stages.

    Example:
        >>> left = left_by_stage(TrainConfig(stage_one_epochs=2), 5, 40, 10)
        >>> {str(stage): (part.steps, part.first_epoch) for stage, part in left.items()}
        {'first': (15, 0), 'second': (20, 2)}
    """
    left: dict[Stage, Left] = {}
    while step < n_steps:
        epoch = step // steps_per_epoch
        end = min(n_steps, (epoch + 1) * steps_per_epoch)
        stage = stage_of(config, epoch)
        before = left.get(stage, Left(0, epoch))
        left[stage] = Left(before.steps + end - step, before.first_epoch)
        step = end
    return left


def foretell(left: Mapping[Stage, Left], seconds: Mapping[Stage, float], max_minutes: float | None = None) -> str:
    """A line that says how long a run will take, and what would make it shorter.

    Args:
        left: What is left, in the order of the stages.
        seconds: Time of a step of each stage.
        max_minutes: Minutes after which the run ends.

    Example:
        >>> foretell({Stage.FIRST: Left(60, 0)}, {Stage.FIRST: 2.0})
        '60 steps of about 2 s will take about 2 min.'
        >>> foretell({Stage.FIRST: Left(60, 0)}, {Stage.FIRST: 2.0}, max_minutes=1)
        '60 steps of about 2 s would take about 2 min. The run ends after 1 min, at about 30.'
    """
    steps = sum(part.steps for part in left.values())
    total = sum(part.steps * seconds[stage] for stage, part in left.items())
    each = [f"{counted(part.steps, 'step')} of about {seconds[stage]:.2g} s" for stage, part in left.items()]
    told = " and ".join(each)
    if max_minutes is not None and 60 * max_minutes < total:
        done = _steps_within(60 * max_minutes, left, seconds)
        return f"{told} would take about {duration(total)}. The run ends after {max_minutes:g} min, at about {done}."
    told += f" will take about {duration(total)}."
    if total > _LONG_S and steps > 1:
        told += (
            " For less: --max-minutes or --steps; --recipe cpu (another output folder) trains a small network in ten "
            "minutes; a smaller --crop and --width make a step faster."
        )
    return told


def _steps_within(rest: float, left: Mapping[Stage, Left], seconds: Mapping[Stage, float]) -> int:
    """Steps, one at least, that fit into ``rest`` seconds."""
    done = 0
    for stage, part in left.items():
        here = min(part.steps, int(rest / max(seconds[stage], 1e-9)))
        done, rest = done + here, rest - here * seconds[stage]
        if here < part.steps:
            break
    return max(1, done)


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it.

    Example:
        >>> [duration(seconds) for seconds in (5, 600, 20_000, 300_000)]
        ['5 s', '10 min', '6 hours', '3 days']
    """
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "hours")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} days"


class SmoothedLoss:
    """Mean of about the last 50 losses; of all while there are fewer.

    Example:
        >>> loss = SmoothedLoss()
        >>> loss.after(1.0), loss.after(3.0)
        (1.0, 2.0)
    """

    def __init__(self) -> None:
        self._mean, self._count = 0.0, 0

    def after(self, value: float) -> float:
        """The mean after one more loss."""
        self._count += 1
        self._mean += max(_SMOOTHING, 1 / self._count) * (value - self._mean)
        return self._mean
