"""Programs found again: bounded caches, what they hold together, and how to empty them."""

import threading
import weakref
from collections import OrderedDict
from typing import NamedTuple

from autodiff.core.entries import Recent

_caches: "weakref.WeakSet[Cache]" = weakref.WeakSet()
_lock = threading.Lock()          # of the set


class Cache:
    """The most recently used programs, by a key.

    Attributes
    ----------
    size : int
        Programs held at most.
    hits, misses : int
    recent : Recent
        Entries of a compiled function that are found without a key; they are in the cache too.
    """

    def __init__(self, size):
        self.size, self.misses, self.recent = size, 0, Recent()
        self._hits = 0
        self._entries = OrderedDict()
        self._early = OrderedDict()
        self._lock = threading.Lock()
        with _lock:
            _caches.add(self)

    def __len__(self):
        return len(self._entries)

    @property
    def hits(self):
        return self._hits + self.recent.hits

    def get(self, key):
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self.misses += 1
            else:
                self._hits += 1
                self._entries.move_to_end(key)
            return found

    def put(self, key, value):
        with self._lock:
            for recent in self.recent.keys():       # used since, although not by their key
                if recent in self._entries:
                    self._entries.move_to_end(recent)
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)

    def get_early(self, key):
        """What was put under a key that is known sooner than that of the program, or None."""
        with self._lock:
            found = self._early.get(key)
            if found is not None:
                self._hits += 1
                self._early.move_to_end(key)
            return found

    def put_early(self, key, value):
        with self._lock:
            self._early[key] = value
            while len(self._early) > self.size:
                self._early.popitem(last=False)

    def clear(self):
        with self._lock:
            self._entries.clear()
            self._early.clear()
            self.recent.clear()
            self._hits = self.misses = 0


class CacheInfo(NamedTuple):
    """Counts of the programs kept for later calls, made by `cache_info`.

    Attributes
    ----------
    hits, misses : int
        How often a program was found, and not.
    programs, limit : int
        How many are held now, and at most.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.cache_info().programs <= ad.cache_info().limit
    True
    """

    hits: int
    misses: int
    programs: int
    limit: int


def cache_info() -> CacheInfo:
    """Count the programs kept for later calls, and how often one was found.

    Transforms find a program by the structure of the graph that a call traces; the last 256 are
    kept. Each function made by `ad.compile` keeps those of its last 64 signatures, as long as it
    lives.

    Returns
    -------
    CacheInfo
        `hits`, `misses`, `programs` (held now), `limit` (held at most).

    Examples
    --------
    >>> import numpy as np, autodiff as ad
    >>> ad.clear_cache()
    >>> [ad.grad(lambda x: x * x)(x) for x in (1.0, 2.0, 3.0)]
    [array(2.), array(4.), array(6.)]
    >>> ad.cache_info()[:3]
    (2, 1, 1)
    """
    with _lock:
        caches = list(_caches)
    return CacheInfo(
        sum(cache.hits for cache in caches), sum(cache.misses for cache in caches),
        sum(len(cache) for cache in caches), sum(cache.size for cache in caches))


def clear_cache() -> None:
    """Drop all programs kept for later calls; compiled functions trace again.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.clear_cache()
    >>> ad.cache_info().programs
    0
    """
    with _lock:
        caches = list(_caches)
    for cache in caches:
        cache.clear()
