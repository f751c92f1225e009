"""Build the compiled core: every .pyx below autodiff/ is one extension module."""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("AUTODIFF_DEBUG") == "1"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    "embedsignature.format": "python",
}
# -ffp-contract=off: a fused multiply-add would give other bits in other loops.
FLAGS = ["-ffp-contract=off", "-fno-math-errno", "-Wno-unused-function"]
FLAGS += ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3"]


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
            extra_compile_args=FLAGS,
            depends=[str(header) for header in Path("autodiff/core").glob("*.h")],
        )


setup(
    ext_modules=cythonize(
        list(extensions()),
        compiler_directives=DIRECTIVES,
        annotate=DEBUG,
        build_dir="build/cython",
    )
)
