"""Protocol numbers: what decides whether a record made by another release still counts.

A number goes up when the same input, options and libraries give other bytes or other figures. The version of the
package goes up for any reason, so it is written down as provenance and never compared.
"""

from __future__ import annotations

PREPARATION = 1
"""Patches and test pictures of a prepared set."""
EVALUATION = 2
"""Scores of a picture. 2: exposure is that of registered pictures in linear light."""
ANALYSIS = 3
"""Measurements of a pair. 3: standard errors know that Tukey's weights fall as residuals grow."""
