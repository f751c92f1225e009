"""One system with one workload, in a process of its own, obeying the driver line by line.

    python benchmarks/worker.py '{"system": "ours", "workload": "chain", "cores": [0, 1]}'

Each line on standard input is a command and has one answer, a line of JSON:

    run             compute once (the first time also traces and compiles): {"seconds": s}
    save PATH       write [value, *gradients] of a run to a .npz file: {"saved": n}
    time N          compute N times: {"seconds": s}, of all of them
    report          what else the system says of itself, bytes for ours
"""

import json
import os
import sys
import time


def main():
    settings = json.loads(sys.argv[1])
    # Before anything starts threads, and before a library counts the cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, settings["cores"])
    # What libraries print goes elsewhere, so that each line here is an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    import numpy as np
    from comparison.systems import build

    call = build(settings)
    answers.write("{}\n")
    answers.flush()
    for line in sys.stdin:
        command, *rest = line.split(maxsplit=1)
        if command == "save":
            found = call.arrays(call.run())
            np.savez(rest[0].strip(), *found)
            answer = {"saved": len(found)}
        elif command == "report":
            answer = call.report()
        else:
            answer = {"seconds": seconds(call, int(rest[0]) if rest else 1)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def seconds(call, times):
    """Seconds that so many runs take, one after the other."""
    run, repeat = call.run, call.repeat
    begun = time.perf_counter()
    if repeat:
        repeat(times)
    else:
        for _ in range(times):
            run()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
