"""Threads: the pool by itself, its number of threads, and programs on it."""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.core import cores

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
    "check", ["jobs", "nested", "callers", "sleepers", "limit", "forks", "signals"])
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
