"""How many there are of something, in words."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """A number and what it counts, in the plural unless it is 1.

    Args:
        number: How many.
        one: The noun in the singular.

    Example:
        >>> counted(1, "picture"), counted(0, "picture"), counted(12_000, "patch")
        ('1 picture', '0 pictures', '12000 patches')
    """
    return f"{number} {one if number == 1 else plural(one)}"


def plural(one: str) -> str:
    """The plural of a noun.

    Example:
        >>> plural("picture"), plural("patch")
        ('pictures', 'patches')
    """
    return f"{one}{'es' if one.endswith(('s', 'x', 'ch', 'sh')) else 's'}"
