"""Threads: the pool by itself, its number of threads, and programs on it."""

import os
import shlex
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.core import cores
from autodiff.core.containers import flatten

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one thread there")


@pytest.fixture(autouse=True)
def same_threads():
    """Each test leaves the number of threads as it was."""
    before = ad.num_threads()
    yield
    ad.set_num_threads(before)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """The checks of pool.c, compiled."""
    program = tmp_path_factory.mktemp("pool") / "pool"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    source = ROOT / "tests/pool.c"
    command = [*compiler, "-O2", f"-I{ROOT / 'autodiff/core'}", source, "-o", program, "-pthread"]
    subprocess.run(command, check=True, capture_output=True)
    return program


@pytest.mark.parametrize(
    "check", ["jobs", "nested", "callers", "sleepers", "slow", "limit", "forks", "signals"])
def test_every_part_runs_once(pool, check):
    done = subprocess.run([pool, check], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_number_of_threads_is_set():
    ad.set_num_threads(3)
    assert ad.num_threads() == 3
    ad.set_num_threads(np.int64(1))
    assert ad.num_threads() == 1


@pytest.mark.parametrize("n", [0, -1, 257, 10**30, 2.0, "2", None, True])
def test_what_is_no_number_of_threads_is_refused(n):
    before = ad.num_threads()
    with pytest.raises(ad.ArgumentError, match=r"set_num_threads: .* from 1 to 256"):
        ad.set_num_threads(n)
    assert ad.num_threads() == before


def started(**environment):
    """Import the library in a fresh process; its number of threads and what it complains of."""
    command = [sys.executable, "-P", "-c", "import autodiff as ad; print(ad.num_threads())"]
    given = {k: v for k, v in os.environ.items() if k != cores.VARIABLE}
    return subprocess.run(command, capture_output=True, text=True, env={**given, **environment})


def test_the_environment_bounds_the_number_at_the_start():
    available = cores.available_cores()
    assert int(started().stdout) == available
    assert int(started(AUTODIFF_NUM_THREADS="").stdout) == available
    assert int(started(AUTODIFF_NUM_THREADS="1").stdout) == 1
    assert int(started(AUTODIFF_NUM_THREADS="1000").stdout) == available


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5"])
def test_an_environment_without_sense_is_refused(text):
    done = started(AUTODIFF_NUM_THREADS=text)
    assert done.returncode != 0
    assert f"AUTODIFF_NUM_THREADS={text!r} is no number of threads" in done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_affinity_bounds_the_number_at_the_start():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import autodiff as ad; print(ad.num_threads())")
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def system(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


TOP = "sys/fs/cgroup/"


@pytest.mark.parametrize(("files", "expected"), [
    ({}, 8),
    ({"proc/self/cgroup": "0::/\n"}, 8),
    ({"proc/self/cgroup": "0::/\n", TOP + "cpu.max": "150000 100000\n"}, 2),
    ({"proc/self/cgroup": "0::/\n", TOP + "cpu.max": "max 100000\n"}, 8),
    ({"proc/self/cgroup": "0::/\n", TOP + "cpu.max": "10000 100000\n"}, 1),
    ({"proc/self/cgroup": "0::/\n", TOP + "cpu.max": "nonsense"}, 8),
    ({"proc/self/cgroup": "0::/a/b\n", TOP + "a/b/cpu.max": "700000 100000\n",
      TOP + "a/cpu.max": "300000 100000\n", TOP + "cpu.max": "max 100000\n"}, 3),
    ({"proc/self/cgroup": "0::/host/only\n", TOP + "cpu.max": "400000 100000\n"}, 4),
    ({"proc/self/cgroup": "3:cpu,cpuacct:/d\n1:memory:/m\n",
      TOP + "cpu,cpuacct/d/cpu.cfs_quota_us": "250000\n",
      TOP + "cpu,cpuacct/d/cpu.cfs_period_us": "50000\n"}, 5),
    ({"proc/self/cgroup": "3:cpu:/\n", TOP + "cpu/cpu.cfs_quota_us": "-1\n",
      TOP + "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ({"proc/self/cgroup": "1:cpuset:/\n", TOP + "cpu/cpu.cfs_quota_us": "100000\n",
      TOP + "cpu/cpu.cfs_period_us": "100000\n"}, 8),
])
def test_quotas_bound_the_cores(tmp_path, monkeypatch, files, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert cores.available_cores(system(tmp_path, files)) == expected


def mlp():
    """A compiled function with products that are cut, and its arguments."""
    rng = np.random.default_rng(0)
    params = ad.nn.init_mlp([300, 260, 10], rng=0)
    X, y = rng.normal(size=(200, 300)).astype(np.float32), rng.integers(0, 10, 200)

    def cost(params, X, y):
        return ad.nn.cross_entropy(ad.nn.mlp(params, X), y)

    return ad.compile(ad.value_and_grad(cost)), (params, X, y)


def bits(results):
    """The bytes of every array in a value and its gradients."""
    return [np.asarray(leaf).tobytes() for leaf in flatten(results)[0]]


def test_the_bits_of_a_program_do_not_depend_on_the_number_of_threads():
    step, arguments = mlp()
    found = []
    for n in (1, 2, 3, 7):
        ad.set_num_threads(n)
        found.append(bits(step(*arguments)))
    assert all(other == found[0] for other in found)


def test_python_threads_run_one_program_at_once():
    ad.set_num_threads(2)
    step, arguments = mlp()
    expected = bits(step(*arguments))
    wrong = []

    def work():
        for _ in range(20):
            if bits(step(*arguments)) != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_fork_computes_the_same_on_threads_of_its_own():
    program = """
import os, threading
import numpy as np
import autodiff as ad
from autodiff.core.threads import workers

ad.set_num_threads(2)
with ad.Graph():
    x = ad.variable("x", (600, 600))
    product = ad.Program([x], [x @ x])
a = np.random.default_rng(0).normal(size=(600, 600))
expected = product(a)[0].tobytes()
assert workers() == 1
stop = []
def work():                                     # forks meet products in the middle
    while not stop:
        assert product(a)[0].tobytes() == expected
thread = threading.Thread(target=work)
thread.start()
try:
    for _ in range(20):
        child = os.fork()
        if child == 0:
            good = workers() == 0 and product(a)[0].tobytes() == expected and workers() == 1
            os._exit(0 if good else 3)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
finally:
    stop.append(1)
    thread.join()
assert product(a)[0].tobytes() == expected
"""
    done = subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", program],
                          capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_ends_while_its_threads_sleep_or_work():
    program = """
import threading
import numpy as np
import autodiff as ad

ad.set_num_threads(3)
with ad.Graph():
    x = ad.variable("x", (500, 500))
    product = ad.Program([x], [x @ x])
a = np.ones((500, 500))
product(a)
def work():
    while True:
        product(a)
threading.Thread(target=work, daemon=True).start()
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
