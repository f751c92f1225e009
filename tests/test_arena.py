"""Arenas: aligned bytes, a pool that keeps what the next run wants and no more, honest refusals."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest

from autodiff.core import arena as pool
from autodiff.core.pool import GUARDED
from autodiff.errors import ArenaError, ArgumentError, AutodiffError

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _clean_pool():
    leased, _ = pool.arena_bytes()
    pool.release_memory()
    yield
    pool.set_arena_limit(None)
    pool.paint_arenas(None)
    assert pool.arena_bytes()[0] == leased, "the test lost an arena"
    pool.release_memory()
    assert pool.arena_bytes() == (leased, 0)


def content(arena):
    return ctypes.string_at(arena.address, arena.nbytes)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 4095, 65537, MIB - 1, MIB, MIB + 1, 37 * MIB + 5])
def test_every_byte_is_aligned_and_writable(nbytes):
    arena = pool.lease(nbytes)
    assert arena.nbytes == nbytes
    assert arena.address != 0
    assert arena.address % (4096 if nbytes >= MIB else 64) == 0
    arena.paint(0x5A)
    assert content(arena) == b"\x5a" * nbytes
    arena.release()
    assert arena.address == 0
    arena.release()
    with pytest.raises(ArenaError, match="released"):
        arena.paint(0)


def test_two_leases_do_not_overlap():
    arenas = [pool.lease(nbytes) for nbytes in (1000, 1000, 2 * MIB, 2 * MIB)]
    for byte, arena in enumerate(arenas):
        arena.paint(byte)
    for byte, arena in enumerate(arenas):
        assert content(arena) == bytes([byte]) * arena.nbytes
        arena.release()


def test_the_next_lease_takes_the_smallest_idle_arena_that_fits():
    sizes = [3 * MIB, 4 * MIB, 6 * MIB]
    arenas = [pool.lease(nbytes) for nbytes in sizes]
    addresses = [arena.address for arena in arenas]
    for arena in arenas:
        arena.release()
    assert pool.arena_bytes() == (0, 13 * MIB)
    again = pool.lease(3 * MIB + 1)
    assert (again.address, again.nbytes) == (addresses[1], 3 * MIB + 1)
    assert pool.arena_bytes() == (4 * MIB, 9 * MIB)
    again.release()


def test_an_arena_left_to_python_returns_to_the_pool():
    arena = pool.lease(3 * MIB)
    address = arena.address
    del arena
    assert pool.arena_bytes() == (0, 3 * MIB)
    again = pool.lease(3 * MIB)
    assert again.address == address
    again.release()


@pytest.mark.parametrize(("nbytes", "is_lent"), [(5 * MIB, True), (5 * MIB - 1, False)])
def test_an_arena_is_at_most_twice_too_large_and_a_mib(nbytes, is_lent):
    pool.lease(11 * MIB).release()
    arena = pool.lease(nbytes)
    assert pool.arena_bytes() == (11 * MIB if is_lent else nbytes, 0)
    arena.release()


def test_idle_arenas_go_before_a_larger_one_is_mapped():
    for nbytes in (2 * MIB, 30 * MIB, 900):
        pool.lease(nbytes).release()
    arena = pool.lease(40 * MIB)
    assert pool.arena_bytes() == (40 * MIB, 900)
    arena.release()


def test_a_small_program_leaves_a_large_one_its_pages():
    pool.lease(64 * MIB).release()
    for nbytes in (100, 1000, 10000):
        pool.lease(nbytes).release()
    assert pool.arena_bytes() == (0, 64 * MIB + 10000)


def test_resident_memory_follows_the_pool():
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs /proc")
    start = resident_bytes()
    for nbytes in (64 * MIB, 96 * MIB, 32 * MIB):
        arena = pool.lease(nbytes)
        arena.paint(1)
        assert resident_bytes() - start <= nbytes + MIB
        arena.release()
    pool.release_memory()
    assert resident_bytes() - start <= MIB


def test_limit_bounds_leased_and_idle_bytes():
    pool.set_arena_limit(10 * MIB)
    first = pool.lease(6 * MIB)
    with pytest.raises(ArenaError, match=rf"cannot get {4 * MIB + 1} bytes.* {4 * MIB} bytes"):
        pool.lease(4 * MIB + 1)
    second = pool.lease(4 * MIB)
    first.release()
    second.release()
    assert pool.arena_bytes() == (0, 10 * MIB)
    small = pool.lease(900)
    assert pool.arena_bytes() == (900, 0), "the idle arenas and 900 bytes exceed the limit"
    small.release()


def test_a_lower_limit_drops_what_is_idle_and_spares_what_is_used():
    used = pool.lease(6 * MIB)
    pool.lease(2 * MIB).release()
    pool.set_arena_limit(MIB)
    assert pool.arena_bytes() == (6 * MIB, 0)
    used.paint(7)
    used.release()
    assert pool.arena_bytes() == (0, 0)
    pool.set_arena_limit(0)
    with pytest.raises(ArenaError, match="cannot get 1 bytes"):
        pool.lease(1)
    pool.set_arena_limit(None)
    pool.lease(6 * MIB).release()


def test_memory_that_cannot_be_had_is_refused_and_nothing_is_lost():
    pool.lease(2 * MIB).release()
    for nbytes in (1 << 62, sys.maxsize):
        with pytest.raises(ArenaError, match=f"cannot get {nbytes} bytes") as caught:
            pool.lease(nbytes)
        assert isinstance(caught.value, MemoryError)
        assert isinstance(caught.value, AutodiffError)
    assert pool.arena_bytes() == (0, 0)
    pool.lease(2 * MIB).release()


def test_arguments_are_checked():
    with pytest.raises(ArgumentError, match="-1"):
        pool.lease(-1)
    for limit in (-1, 1.5, "64MB"):
        with pytest.raises(ArgumentError, match="limit"):
            pool.set_arena_limit(limit)
    for byte in (-1, 256, 1.0):
        with pytest.raises(ArgumentError, match="byte"):
            pool.paint_arenas(byte)
    with pytest.raises(ArgumentError, match="lease"):
        pool.Arena()


def test_painted_arenas():
    pool.paint_arenas(255)
    for nbytes in (100, 2 * MIB):
        arena = pool.lease(nbytes)
        assert content(arena) == b"\xff" * nbytes
        arena.paint(0)
        arena.release()
        again = pool.lease(nbytes)
        assert content(again) == b"\xff" * nbytes, "a reused arena is painted too"
        again.release()


def test_release_memory_says_what_it_gave_back():
    for nbytes in (5000, 3 * MIB):
        pool.lease(nbytes).release()
    assert pool.release_memory() == 3 * MIB + 5000
    assert pool.release_memory() == 0


def test_threads_share_the_pool():
    faults = []

    def work(seed):
        for i in range(300):
            arena = pool.lease((seed * 7919 + i * 104729) % (3 * MIB))
            arena.paint(seed)
            if content(arena).strip(bytes([seed])):
                faults.append((seed, i))
            arena.release()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_can_use_the_pool():
    # In a fresh process: a fork of the test process would take the test runner along.
    program = """
import os, threading
from autodiff.core.arena import lease

def work():
    while running:
        lease(100_000).release()

running = True
thread = threading.Thread(target=work)
thread.start()
for _ in range(50):
    child = os.fork()
    if child == 0:
        arena = lease(3_000_000)
        arena.paint(1)
        arena.release()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
running = False
thread.join()
print("done")
"""
    # -W: Python 3.12 warns of every fork beside threads, which is what is tested here.
    command = [sys.executable, "-P", "-W", "ignore", "-c", program]
    if "AUTODIFF_INSTALLED" not in os.environ:
        command.remove("-P")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


@pytest.mark.skipif(not GUARDED, reason="needs the debug build")
@pytest.mark.parametrize("nbytes", [1000, 2 * MIB + 3])
@pytest.mark.parametrize("outside", [-1, 0])
def test_debug_build_finds_a_write_outside(nbytes, outside):
    arena = pool.lease(nbytes)
    place = arena.address + (nbytes if outside == 0 else -1)
    ctypes.memset(place, 0, 1)
    with pytest.raises(AssertionError, match=f"{nbytes} bytes"):
        arena.release()
    assert pool.arena_bytes()[1] == 0, "the damaged block is not kept"
