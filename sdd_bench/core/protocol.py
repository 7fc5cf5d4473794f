"""Protocol numbers, which decide whether a record made by another release is still valid.

A number is raised when the same input, options and libraries give other bytes or other figures. The version of the
package is raised for many reasons, so it is recorded as provenance and never compared.
"""

from __future__ import annotations

PREPARATION = 1
"""Number for the patches and test pictures of a prepared set."""
EVALUATION = 8
"""Number for the scores of a picture. Since 2, exposure is that of registered pictures in linear light; since 3, layers
and the support of the flow are told; since 4, doubt about what moved as a whole; since 5, layers are sought well inside
both pictures; since 6, the motion between input and prediction is estimated as a small one; since 7, below full
size of pictures beyond 1,344 pixels, and the light that blur by regions compares is evened out at a quarter; since 8,
the flow is refined in linear light. Scores up to 7 are those of 3."""
LIGHT = 2
"""Number for the transfer of light of a pair. Since 2, light that blur carries over edges is fitted."""
ANALYSIS = 10
"""Number for the measurements of a pair. Since 3, standard errors allow for Tukey's weights, which fall as residuals
grow; since 4, light is measured; since 5, frames do not vote, and every textured tile is judged however far
it moved; since 6, intervals allow for an unknown tone curve; since 7, as much as the pictures
say, and small pictures far out of focus have larger tiles; since 8, a tile whose slopes are noise
knows nothing, and intervals are narrower where the pictures say that light is linear; since 9, a pair that is clipped
nearly everywhere is said to be; since 10, intervals go by the tone curve that the pictures show, and by
what a step leaves to the next. Other figures are those of 8."""


def numbers() -> dict[str, int]:
    """All of them, by name.

    Example:
        >>> sorted(numbers())[:2]
        ['ANALYSIS', 'EVALUATION']
    """
    return {name: value for name, value in globals().items() if name.isupper()}
