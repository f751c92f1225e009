"""How far the block loops are from the exact values, in units in the last place.

    python benchmarks/accuracy.py [--points 1000000] [--cpu avx2]

prints a table: the largest and the mean error over points drawn from each range, against long
double (80 bits), whose own error is below 0.001 units of a double. What is exact is not listed.
"""

import argparse
import os
import sys

import numpy as np

TINY = {"f": 1e-44, "d": 1e-322}
LEAST = {"f": 1e-38, "d": 1e-308}


def between(low, high):
    """Return a drawer of uniform numbers."""
    return lambda rng, n, letter: rng.uniform(low, high, n)


def spread(low, high, signed=False):
    """Return a drawer of numbers whose logarithm is uniform; a bound of None is the type's own."""

    def draw(rng, n, letter):
        least, most = low or LEAST[letter], high or 1 / LEAST[letter]
        x = np.exp(rng.uniform(np.log(least), np.log(most), n))
        return x * rng.choice([-1, 1], n) if signed else x

    return draw


def limits(float32, float64):
    """Return a drawer of uniform numbers with bounds by type."""
    return lambda rng, n, letter: rng.uniform(*(float32 if letter == "f" else float64), n)


def softplus(x):
    """log(1 + e^x) in the precision of x."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x):
    """1 / (1 + e^-x) in the precision of x."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


# kernel, its value in long double, and the ranges with their names
RANGES = [
    ("exp", np.exp, [("whole range", limits((-87, 88), (-708, 709))), ("[-1, 1]", between(-1, 1)),
                     ("denormal results", limits((-103, -87), (-745, -708)))]),
    ("expm1", np.expm1, [("whole range", limits((-20, 88), (-40, 709))),
                         ("[-2, 2]", between(-2, 2)), ("small", spread(None, 0.1, True))]),
    ("tanh", np.tanh, [("[-20, 20]", between(-20, 20)), ("[-2, 2]", between(-2, 2)),
                       ("small", spread(None, 0.5, True))]),
    ("sigmoid", sigmoid, [("whole range", limits((-87, 20), (-708, 40))),
                          ("[-5, 5]", between(-5, 5))]),
    ("log", np.log, [("all positive", spread(None, None)), ("[0.5, 2]", between(0.5, 2)),
                     ("denormal", lambda rng, n, letter: rng.uniform(
                         TINY[letter], LEAST[letter], n))]),
    ("log1p", np.log1p, [("all positive", spread(None, None)), ("[-1, 1]", between(-1, 1)),
                         ("small", spread(None, 0.1, True))]),
    ("softplus", softplus, [("whole range", limits((-87, 87), (-700, 700))),
                            ("[-5, 5]", between(-5, 5))]),
    ("sin", np.sin, [("[-4, 4]", between(-4, 4)), ("to 1e6", spread(1, 1e6, True)),
                     ("to 1e15", spread(1e6, 1e15, True)), ("small", spread(None, 1, True))]),
    ("cos", np.cos, [("[-4, 4]", between(-4, 4)), ("to 1e6", spread(1, 1e6, True)),
                     ("to 1e15", spread(1e6, 1e15, True)), ("small", spread(None, 1, True))]),
    ("arctan", np.arctan, [("[-4, 4]", between(-4, 4)), ("all", spread(None, None, True))]),
]


def measure(kernels, points, chosen=None):
    """Yield (kernel, dtype, range, largest, mean): errors in units in the last place."""
    rng = np.random.default_rng(0)
    for name, exact, ranges in RANGES:
        for letter in "fd":
            for title, draw in ranges:
                if chosen and name not in chosen:
                    continue
                x = draw(rng, points, letter).astype(letter)
                y = np.empty_like(x)
                kernels.run_block_loop(name, f"{letter}>{letter}", x, y)
                reference = exact(x.astype(np.longdouble))
                unit = np.spacing(np.abs(reference).astype(letter))
                errors = np.abs(y - reference) / unit.astype(np.longdouble)
                yield name, x.dtype.name, title, float(errors.max()), float(errors.mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--cpu", choices=["baseline", "avx2", "avx512"])
    parser.add_argument("--kernels", nargs="*")
    options = parser.parse_args()
    if options.cpu:         # read when the module is loaded, so the module is loaded after
        os.environ["AUTODIFF_CPU"] = options.cpu
    from autodiff.core import kernels

    if np.finfo(np.longdouble).nmant < 63:
        sys.exit("needs a long double of 80 bits")
    print(f"{options.points:,} points a range, {kernels.block_cpu()}\n")
    print("| kernel | dtype | range | max ulp | mean ulp |\n|---|---|---|--:|--:|")
    for name, dtype, title, largest, mean in measure(kernels, options.points, options.kernels):
        print(f"| {name} | {dtype} | {title} | {largest:.2f} | {mean:.2f} |")


if __name__ == "__main__":
    main()
