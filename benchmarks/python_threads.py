"""Two Python threads that run one program once each, on one thread of ours, beside one run of it.

    python benchmarks/python_threads.py         # half a minute on an idle machine of 2 cores

Programs run without the interpreter's lock, each run in an arena of its own, so two at once take
about as long as one. The bar is 1.3 times that; medians of what is found round by round.
"""

import argparse
import statistics
import threading

from report import machine, markdown
from workers import timed
from workloads import WORKLOADS

import autodiff as ad

CALLS = {"mlp-large": 1, "mlp-middle": 20, "elementwise": 2}    # of a thread, in one turn
BAR = 1.3


def measured(name, rounds):
    """A row: seconds of one call, and what two at once take beside it."""
    from systems import ours

    step, calls = ours(WORKLOADS[name]).step, CALLS[name]

    def alone():
        for _ in range(calls):
            step()

    def together():
        threads = [threading.Thread(target=alone) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    alone(), together()
    pairs = [(timed(alone), timed(together)) for _ in range(rounds)]
    ratio = statistics.median([both / one for one, both in pairs])
    return {"workload": name, "one call": f"{1e3 * pairs[0][0] / calls:.3g} ms",
            "two at once": f"{ratio:.2f} x", "bar": f"{BAR} x",
            "met": "yes" if ratio < BAR else "no"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    named = machine()
    ad.set_num_threads(1)
    rows = [measured(name, given.rounds) for name in CALLS]
    print(named, end="\n\n")
    print(markdown(rows, left=("workload", "met")))


if __name__ == "__main__":
    main()
