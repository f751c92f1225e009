"""C of the benchmarks, compiled where they run: what the processor of this machine can do."""

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

# No contraction and no -ffast-math: the same arithmetic as the library's own kernels.
FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fopenmp",
         "-fno-tree-loop-distribute-patterns"]      # a copy stays a loop: no call to memcpy


def compiler():
    """The C compiler, or None."""
    return shutil.which("gcc") or shutil.which("cc")


def load(source):
    """Compile a C file of this folder and load it. Raises RuntimeError with what gcc printed."""
    if compiler() is None:
        raise RuntimeError(f"{source} needs a C compiler, and neither gcc nor cc is in PATH")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    built = Path(folder) / "native.so"
    run = subprocess.run(
        [compiler(), *FLAGS, "-shared", "-fPIC", "-x", "c", Path(__file__).parent / source, "-lm",
         "-o", built], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{source} does not compile: {run.stderr.strip()}")
    return ctypes.CDLL(str(built))


def pointer(array):
    """The address of a dense array, to be given to C while the array is alive."""
    return ctypes.c_void_p(array.ctypes.data)


def blas(name):
    """The address of a routine of the BLAS that SciPy comes with (Fortran's calling rules)."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype = ctypes.c_void_p
    address_of.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(address_of(capsule, name_of(capsule)))
