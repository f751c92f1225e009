"""What every benchmark writes: the machine it ran on, a Markdown table, a CSV."""

import csv
import os
import platform
from pathlib import Path

import numpy as np


def machine():
    """Name the processor, its cores, the versions and the load, which a time means nothing without.
    """
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return (f"{processor}, {os.cpu_count()} cores, {platform.system()}, "
            f"Python {platform.python_version()}, NumPy {np.__version__}{load}")


def markdown(rows, left=()):
    """Write a table in Markdown, as wide as its cells.

    Parameters
    ----------
    rows : list of dict, str -> str
        All with the same keys, which are the columns' heads.
    left : collection of str
        The columns that stand left; the others are numbers and stand right.
    """
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [
        "| " + " | ".join(
            cell.ljust(width) if name in left else cell.rjust(width)
            for name, cell, width in zip(rows[0], line, widths)) + " |"
        for line in cells
    ]
    rule = "|".join(
        "-" * (width + 2) if name in left else "-" * (width + 1) + ":"
        for name, width in zip(rows[0], widths))
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def write_csv(rows, path):
    """Save rows, dicts with the same keys, as CSV."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
