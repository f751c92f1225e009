"""Instructions of one compiled call, in kernels and outside: what a call costs, without noise.

    python benchmarks/instructions.py                       # the small MLP; needs valgrind
    python benchmarks/instructions.py --workload rosenbrock

The process runs under callgrind twice, with more and with fewer calls; the difference, divided by
the number of calls, is what one takes. Kernels are all that the executor calls, with what they
call in turn, BLAS among it; the rest is Python, NumPy and the executor. Valgrind knows no AVX-512,
so the kernels run their AVX2 loops.
"""

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from report import machine, markdown
from workloads import WORKLOADS

FEWER, MORE = 100, 300
ALIKE = {"PYTHONHASHSEED": "0", "AUTODIFF_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
EXECUTOR, KERNELS = "/core/program.", "/core/kernels."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", choices=WORKLOADS, default="mlp-small")
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.calls:
        run(given.workload, given.calls)
        return
    if shutil.which("valgrind") is None:
        parser.error("needs valgrind")
    found = counted(given.workload, MORE)
    found.subtract(counted(given.workload, FEWER))
    kernels = found.pop(KERNELS)
    parts = {"all": found.total(), "in kernels": kernels, "outside": found.total() - kernels}
    rows = [{"part": part, "instructions a call": f"{count / (MORE - FEWER):,.0f}"}
            for part, count in parts.items()]
    print(machine(), given.workload, sep="\n", end="\n\n")
    print(markdown(rows, left=("part",)))


def run(name, calls):
    """Call the workload's compiled step so many times."""
    from systems import ours

    step = ours(WORKLOADS[name]).step
    gc.disable()
    for _ in range(calls):
        step()


def counted(name, calls):
    """Instructions of a process with so many calls, as `added_up` says."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable,
             __file__, "--workload", name, "--calls", str(calls)],
            check=True, capture_output=True, env=os.environ | ALIKE)
        return added_up(out)


def added_up(path):
    """Add up a file of callgrind: instructions by object file, under KERNELS those of its calls."""
    names, counts = {}, Counter()
    caller = callee = ""
    inclusive = False

    def name_of(line):
        number, _, name = line.partition("=")[2].strip().partition(" ")
        return names.setdefault(number, name)

    with open(path) as file:
        for line in file:
            if line.startswith("ob="):
                caller = callee = name_of(line)
            elif line.startswith("fn="):
                callee = caller
            elif line.startswith("cob="):
                callee = name_of(line)
            elif line.startswith("calls="):
                inclusive = True        # the next line holds what the callee takes, and all below
            elif line[:1] in "+-*0123456789":
                count = int(line.split()[1])
                if not inclusive:
                    counts[caller] += count
                elif EXECUTOR in caller and KERNELS in callee:
                    counts[KERNELS] += count
                if inclusive:
                    inclusive, callee = False, caller
    return counts


if __name__ == "__main__":
    main()
