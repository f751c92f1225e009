"""Runs: interrupted between steps, refused when memory is short, from threads, leaving nothing."""

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.arena import arena_bytes
from autodiff.core.record import Record


def python(text):
    """Run a script in a process of its own; its last line of output."""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


# ---- interrupts -----------------------------------------------------------------------------

LONG = """
import signal, time
import numpy as np, autodiff as ad

with ad.Graph():
    x = ad.variable("x", ({extent},))
    y = x
    for _ in range({steps}):
        y = np.tanh(y) * 1.5
    program = ad.Program([x], [y], policy="store")
given = np.linspace(-1, 1, {extent})
begun = time.perf_counter()
expected = program(given)[0]
whole = time.perf_counter() - begun
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, whole / 4)
begun = time.perf_counter()
try:
    program(given)
except KeyboardInterrupt:
    early = time.perf_counter() - begun < 0.9 * whole
    from autodiff.core.arena import arena_bytes
    again = program(given)[0]
    print(early, arena_bytes()[0], again.tobytes() == expected.tobytes())
else:
    print("was not interrupted")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
@pytest.mark.parametrize(("extent", "steps"), [(2_000_000, 60), (10, 600_000)])
def test_an_interrupt_ends_a_run_between_steps_and_the_next_one_works(extent, steps):
    found = python(LONG.format(extent=extent, steps=steps))
    assert found == "True 0 True"


# ---- memory ---------------------------------------------------------------------------------

SHORT = """
import resource
import numpy as np, autodiff as ad
from autodiff.core.arena import arena_bytes

with ad.Graph():
    x = ad.variable("x", (20_000_000,))
    program = ad.Program([x], [{outputs}])
    small = ad.Program([y := ad.variable("y", (3,))], [np.tanh(y)])
given = np.ones(20_000_000)
small(np.zeros(3))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, resource.RLIM_INFINITY))
try:
    program(given)
except ad.ArenaError as error:
    assert isinstance(error, MemoryError)
    print(arena_bytes()[0], "{nbytes}" in str(error), small(np.zeros(3))[0].sum())
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize(
    ("outputs", "nbytes"),
    [("np.tanh(x)", 160_000_000), ("np.tanh(x).reshape(2, -1).T.reshape(-1).sum()", 320_000_000)])
def test_too_little_memory_is_an_error_that_names_the_bytes(outputs, nbytes):
    assert python(SHORT.format(outputs=outputs, nbytes=nbytes)) == "0 True 0.0"


def test_a_limit_on_arenas_is_kept_and_what_failed_can_run_later():
    with ad.Graph():
        x = ad.variable("x", (1000,))
        program = ad.Program([x], [np.sin(np.tanh(x).reshape(10, 100).sum(0)).sum()])
    expected = program(np.ones(1000))[0]
    ad.release_memory()
    ad.set_arena_limit(program.plan.arena_bytes - 1)
    try:
        with pytest.raises(ad.ArenaError, match=str(program.plan.arena_bytes)):
            program(np.ones(1000))
    finally:
        ad.set_arena_limit(None)
    assert arena_bytes()[0] == 0
    assert program(np.ones(1000))[0] == expected


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("extent", [3, 5_000])
def test_10_000_runs_do_not_grow_the_process(extent):
    with ad.Graph():
        x = ad.variable("x", (extent,))
        table = ad.variable("table", (2, 2))
        k = ad.variable("k", (1,), np.int64)
        outputs = [np.tanh(x) * 2.0, (x * x).sum(), table[k]]
        program = ad.Program([x, table, k], outputs)
    given = np.linspace(0, 1, extent)
    arguments = [given, np.ones((2, 2)), np.array([1])]
    wrong = [given, np.ones((2, 2)), np.array([7])]

    def runs(n):
        for _ in range(n):
            program(*arguments)
        for _ in range(n // 10):
            with pytest.raises(ad.IndexRangeError):
                program(*wrong)

    runs(500)
    gc.collect()
    before = resident()
    runs(10_000)
    gc.collect()
    assert resident() - before < 1_000_000
    assert arena_bytes()[0] == 0


# ---- threads --------------------------------------------------------------------------------

@pytest.mark.parametrize("extent", [10, 30_000])
def test_threads_run_one_program_at_once(extent):
    with ad.Graph():
        x = ad.variable("x", (extent,))
        y = np.tanh(x)
        for _ in range(10):
            y = np.sin(y) * 1.1 + np.tanh(y)
        program = ad.Program([x], [y, y.sum()])
    given = [np.full(extent, k / 7) for k in range(4)]
    expected = [program(x) for x in given]
    wrong = []
    start = threading.Barrier(4)

    def work(k):
        start.wait()
        for _ in range(50):
            found = program(given[k])
            if [y.tobytes() for y in found] != [y.tobytes() for y in expected[k]]:
                wrong.append(k)
            if program.measured_peak_bytes != program.peak_bytes:
                wrong.append("bytes")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_record_is_of_its_thread():
    with ad.Graph():
        x = ad.variable("x", (4,))
        program = ad.Program([x], [x * 2.0])
    found = []

    def look(runs):
        if runs:
            program(np.ones(4))
        found.append(program.measured_peak_bytes)

    for runs in (False, True, False) * 30:                 # more than a record remembers
        thread = threading.Thread(target=look, args=(runs,))
        thread.start()
        thread.join()
    assert found == [None, program.peak_bytes, None] * 30
    assert program.measured_peak_bytes is None
    program(np.ones(4))
    assert program.measured_peak_bytes == program.peak_bytes
    assert Record().number is None


# ---- arguments ------------------------------------------------------------------------------

def layouts(x):
    """The same numbers as they may lie in memory."""
    raw = np.empty(x.nbytes + 1, np.uint8)
    misaligned = raw[1:].view(x.dtype).reshape(x.shape)
    misaligned[...] = x
    wide = np.zeros((*x.shape, 2), x.dtype)
    wide[..., 0] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return [x, misaligned, wide[..., 0], x.astype(x.dtype.newbyteorder()), np.asfortranarray(x),
            x[::-1].copy()[::-1], read_only, x.view(type("Sub", (np.ndarray,), {}))]


@pytest.mark.parametrize("shape", [(6, 5), (1,), (0,), (3, 0), ()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arguments_as_they_lie_in_memory(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    if not shape:
        given = [x, x[()]]
    else:
        given = layouts(x)
    with ad.Graph():
        v = ad.variable("x", shape, dtype)
        program = ad.Program([v], [np.tanh(v) * v, v.sum()])
    step = ad.compile(ad.value_and_grad(lambda x: (np.tanh(x) * x).sum()))
    expected, value = program(x), step(x)
    for one in given * 2:
        before = one.tobytes()
        for found, right in zip(program(one), expected, strict=True):
            assert found.tobytes() == right.tobytes()
            assert found.dtype == right.dtype
        for found, right in zip(step(one), value, strict=True):
            assert found.tobytes() == right.tobytes()
        assert one.tobytes() == before


# ---- results ----------------------------------------------------------------------------------


def doubled(extent):
    with ad.Graph():
        x = ad.variable("x", (extent,))
        return ad.Program([x], [x * 2.0])


def test_memory_of_results_that_are_gone_serves_the_next_run():
    ad.release_memory()
    program, x = doubled(100_000), np.arange(100_000.0)
    first, = program(x)
    address = first.ctypes.data
    second, = program(x)
    assert second.ctypes.data != address
    del first
    assert arena_bytes()[1] >= 800_000
    third, = program(x + 1)
    assert third.ctypes.data == address
    np.testing.assert_array_equal(second, 2 * x)
    np.testing.assert_array_equal(third, 2 * x + 2)


def test_a_view_of_a_result_keeps_its_memory_to_itself():
    ad.release_memory()
    program, x = doubled(100_000), np.arange(100_000.0)
    kept = program(x)[0][:3]
    program(-x)
    program(-x)
    np.testing.assert_array_equal(kept, [0, 2, 4])


def test_idle_memory_of_results_is_that_of_the_last_two_only():
    ad.release_memory()
    programs = [doubled(extent) for extent in (100_000, 110_000, 120_000)]
    for program, extent in zip(programs, (100_000, 110_000, 120_000), strict=True):
        program(np.zeros(extent))
    assert arena_bytes() == (0, 8 * (110_000 + 120_000))
    held = [programs[2](np.zeros(120_000)) for _ in range(5)]
    del held
    assert arena_bytes() == (0, 8 * (120_000 + 120_000))
    assert ad.release_memory() == 8 * (120_000 + 120_000)


def test_the_limit_holds_for_what_results_leave_behind():
    ad.release_memory()
    program = doubled(100_000)
    ad.set_arena_limit(799_999)
    try:
        program(np.zeros(100_000))
        assert arena_bytes() == (0, 0)
    finally:
        ad.set_arena_limit(None)
