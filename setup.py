"""Build the compiled core: every .pyx below autodiff/ is one extension module.

AUTODIFF_DEBUG=1 builds with bounds checks and assertions, in a directory of its own.
AUTODIFF_SYMBOLS=1 keeps the names of functions, for a profiler; they are an eighth of the size.
"""

import os
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("AUTODIFF_DEBUG") == "1"
BUILD = "build/debug" if DEBUG else "build"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "auto_pickle": False,
    "embedsignature": True,
    "embedsignature.format": "python",
}
# -ffp-contract=off: a fused multiply-add would give other bits in other loops.
# -g0: Python's own flags ask for debug symbols, which are most of the size of a module.
FLAGS = ["-ffp-contract=off", "-fno-math-errno", "-Wno-unused-function"]
FLAGS += ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O2", "-g0"]
# The block loops are what more optimisation is for; elsewhere it is a twentieth more code, and what
# aligns jumps and loops another twenty-fifth.
LOOPS, OTHERS = ([], []) if DEBUG else (
    ["-O3"], ["-falign-functions=1", "-falign-jumps=1", "-falign-loops=1"])
STRIPS = sys.platform == "linux" and not DEBUG and os.environ.get("AUTODIFF_SYMBOLS") != "1"
LINK = ["-Wl,-s", "-Wl,-z,noseparate-code"] if STRIPS else []
# Tables for unwinding serve debuggers and profilers: a tenth of the size.
FLAGS += ["-fno-asynchronous-unwind-tables"] if STRIPS else []


def extensions():
    for path in sorted(Path("autodiff").rglob("*.pyx")):
        yield Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            include_dirs=[numpy.get_include(), "autodiff/core"],
            define_macros=[
                ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
                ("AUTODIFF_DEBUG", str(int(DEBUG))),
            ],
            extra_compile_args=FLAGS + (LOOPS if path.stem == "kernels" else OTHERS),
            extra_link_args=LINK,
            depends=[str(header) for header in Path("autodiff/core").glob("*.h")],
        )


# Each module with typed memoryviews would carry Cython's code for them, 150 kB; this one has it
# for all.
SHARED = "autodiff.core._shared"


# The guard lets tests read DIRECTIVES, and lets cythonize start processes where fork is missing.
if __name__ == "__main__":
    jobs = os.cpu_count() or 1
    setup(
        ext_modules=cythonize(
            [Extension(SHARED, [], extra_compile_args=FLAGS + OTHERS, extra_link_args=LINK),
             *extensions()],
            shared_utility_qualified_name=SHARED,
            compiler_directives=DIRECTIVES,
            annotate=DEBUG,
            build_dir=f"{BUILD}/cython",
            # Forked processes are cheap; elsewhere starting them costs more than it saves.
            nthreads=jobs if sys.platform == "linux" else 0,
        ),
        options={"build": {"build_base": BUILD}, "build_ext": {"parallel": jobs}},
    )
