"""Random numbers on plain arrays: the functions of random.h that the kernels of programs call."""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "random.h" nogil:
    ctypedef struct RandomBlock:
        uint32_t word[4]
    RandomBlock philox(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
    void fill_bits(const uint32_t*, uint64_t, int64_t, void*)
    void fill_uniform_f(const uint32_t*, uint64_t, int64_t, void*)
    void fill_uniform_d(const uint32_t*, uint64_t, int64_t, void*)
    void fill_normal_f(const uint32_t*, uint64_t, int64_t, void*)
    void fill_normal_d(const uint32_t*, uint64_t, int64_t, void*)
    void fill_keys(const uint32_t*, uint64_t, uint32_t, int64_t, uint32_t*)

ctypedef void (*Fill)(const uint32_t*, uint64_t, int64_t, void*) noexcept nogil


def block(const uint32_t[::1] key, const uint32_t[::1] counter):
    """Return the block of four words (uint32) of a key of two words and a counter of four.

    >>> import numpy as np
    >>> from autodiff.core.philox import block
    >>> [hex(word) for word in block(np.zeros(2, np.uint32), np.zeros(4, np.uint32))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    if key.shape[0] != 2 or counter.shape[0] != 4:
        raise ValueError("a key has two words and a counter four")
    cdef RandomBlock found = philox(
        key[0], key[1], counter[0], counter[1], counter[2], counter[3])
    return np.array([found.word[0], found.word[1], found.word[2], found.word[3]], np.uint32)


def draw(str kind, const uint32_t[::1] key, uint64_t counter, tuple shape, dtype):
    """Return an array of draws; `kind` is "bits", "uniform" or "normal"."""
    out = np.empty(shape, dtype)
    cdef char[::1] memory = out.reshape(-1).view(np.int8) if out.size else np.empty(1, np.int8)
    cdef int64_t n = out.size
    cdef Fill fill
    if key.shape[0] != 2:
        raise ValueError("a key has two words")
    if kind == "bits":
        fill = fill_bits
    elif kind == "uniform":
        fill = fill_uniform_d if out.dtype.char == "d" else fill_uniform_f
    else:
        fill = fill_normal_d if out.dtype.char == "d" else fill_normal_f
    with nogil:
        fill(&key[0], counter, n, &memory[0])
    return out


def derive(const uint32_t[::1] key, uint64_t start, uint32_t use, int64_t n):
    """Return n keys derived from a key, uint32 (n, 2)."""
    out = np.empty((n, 2), np.uint32)
    cdef uint32_t[:, ::1] keys = out
    if key.shape[0] != 2:
        raise ValueError("a key has two words")
    if n:
        fill_keys(&key[0], start, use, n, &keys[0, 0])
    return out
