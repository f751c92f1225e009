"""How many cores this process may use: its affinity, its cgroup's quota, and the user's word."""

import os

from autodiff.errors import ArgumentError, brief

VARIABLE = "AUTODIFF_NUM_THREADS"


def threads_at_start():
    """Return the cores of the process, at most AUTODIFF_NUM_THREADS where it is set.

    ArgumentError where the variable is neither empty nor an integer from 1.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return available_cores()
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise ArgumentError(
            f"{VARIABLE}={brief(text)} is no number of threads; set an integer from 1")
    return min(int(text), available_cores())


def available_cores(root="/"):
    """Return the cores of the process: those it may be scheduled on, within its cgroup's quota.

    The quota (cpu.max, or cpu.cfs_quota_us of version 1) is rounded to whole cores; the smallest of
    the group's own and those of the groups above it counts. Without such files there is none.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:                     # not every system has it
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(round, _quotas(root))]))


def _quotas(root):
    """Yield the quotas, in cores, of the cgroup of the process and of those above it."""
    for line in _read(root, "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 is one tree, "unified" where version 1 is mounted beside it. In a container
        # the path may be the host's: what exists of it counts, and the top always does.
        for tree in ("cpu", "cpu,cpuacct") if controllers else ("", "unified"):
            path = group.strip("/")
            while True:
                yield from _quota(os.path.join(root, "sys/fs/cgroup", tree, path))
                if not path:
                    break
                path = os.path.dirname(path)


def _quota(group):
    """Yield the quota of one group, where it has one."""
    words = _read(group, "cpu.max").split() or [
        *_read(group, "cpu.cfs_quota_us").split(), *_read(group, "cpu.cfs_period_us").split()]
    if len(words) == 2 and words[0].isdecimal():      # no quota is "max", or -1 in version 1
        yield int(words[0]) / int(words[1])


def _read(folder, name):
    """Return the text of a file, "" where there is none."""
    try:
        with open(os.path.join(folder, name)) as file:
            return file.read()
    except OSError:
        return ""
