"""The block loops beside NumPy's own inner loops, on arrays that stay in the nearest cache.

    python benchmarks/kernels.py [--size 1024] [--cpu avx2] [--kernels exp tanh]

prints nanoseconds an element of both, and their ratio. Ours are called from C; what NumPy's call
costs beside its loop is taken off as the difference between the whole length and half of it. Both
are timed in turn, and the least of several times is taken.
"""

import argparse
import os
import time

import numpy as np

REPEATS = 400               # of a loop between two looks at the clock
NUMPY = {"abs": np.absolute, "clip": np._core.umath.clip, "relu": None, "share": None}


def operands(types, size, rng):
    """Return arrays for the operands and the result, values where every function is defined."""
    letters = types.replace(">", "")
    drawn = [rng.random(1 if k.isupper() else size) + 0.1 for k in letters]
    return [aligned((a > 0.6) if k == "?" else a.astype(k.lower()))
            for a, k in zip(drawn, letters, strict=True)]


def aligned(array):
    """Return a copy that begins at a multiple of 64 bytes, as values do in an arena."""
    buffer = np.empty(array.nbytes + 64, np.uint8)
    first = -buffer.ctypes.data % 64
    copy = buffer[first : first + array.nbytes].view(array.dtype)
    copy[:] = array
    return copy


def seconds(call):
    """Return the time of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def compare(kernels, name, types, size, rounds=9):
    """Return nanoseconds an element: (ours, NumPy's or None where it has no such loop)."""
    *inputs, out = operands(types, size, np.random.default_rng(0))
    ufunc = NUMPY.get(name, getattr(np, name, None))

    def ours():
        kernels.run_block_loop(name, types, *inputs, out, repeats=REPEATS)

    def numpys(inputs, out):
        for _ in range(REPEATS):
            ufunc(*inputs, out=out)

    calls = [ours]
    if isinstance(ufunc, np.ufunc):
        half = [a[: size // 2] if a.size > 1 else a for a in inputs]
        calls += [lambda: numpys(inputs, out), lambda: numpys(half, out[: size // 2])]
    best = [np.inf] * len(calls)
    for _ in range(rounds):
        best = [min(least, seconds(call)) for least, call in zip(best, calls, strict=True)]
    scale = 1e9 / (REPEATS * size)
    return best[0] * scale, (best[1] - best[2]) * 2 * scale if len(calls) > 1 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--cpu", choices=["baseline", "avx2", "avx512"])
    parser.add_argument("--kernels", nargs="*")
    options = parser.parse_args()
    if options.cpu:         # read when the module is loaded, so the module is loaded after
        os.environ["AUTODIFF_CPU"] = options.cpu
    from autodiff.core import kernels

    print(f"{options.size} elements, {kernels.block_cpu()}, NumPy {np.__version__}\n")
    print("| kernel | types | ours (ns) | NumPy (ns) | ratio |\n|---|---|--:|--:|--:|")
    for name, types in kernels.block_loops():
        if options.kernels and name not in options.kernels:
            continue
        ours, numpys = compare(kernels, name, types, options.size)
        beside = f"{numpys:.3f} | {ours / numpys:.2f}" if numpys else "— | —"
        print(f"| {name} | {types} | {ours:.3f} | {beside} |")


if __name__ == "__main__":
    main()
