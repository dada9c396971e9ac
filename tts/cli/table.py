"""Plain tables for a terminal; columns line up with Chinese characters and combining IPA marks too."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """Terminal columns of a text."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(heads: list[str], rows: list[list]) -> str:
    """Left-aligned columns under their heads; numbers are right-aligned."""
    cells = [[f"{cell:.1f}" if isinstance(cell, float) else "" if cell is None else str(cell) for cell in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], (int, float, type(None))) for row in rows) for i in range(len(heads))]
    widths = [max([width(head), *(width(row[i]) for row in cells)]) for i, head in enumerate(heads)]

    def line(row):
        pads = [" " * (widths[i] - width(cell)) for i, cell in enumerate(row)]
        return "  ".join(
            pad + cell if right[i] else cell + pad for i, (cell, pad) in enumerate(zip(row, pads, strict=True))
        ).rstrip()

    return "\n".join(line(row) for row in [heads, *cells])
