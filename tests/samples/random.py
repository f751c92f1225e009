"""Samples of the rows of random numbers; Philox in plain NumPy is the oracle."""

import numpy as np

import autodiff as ad
from autodiff.errors import DTypeError, ShapeError
from samples import BadSample, Sample, values

KEY = np.array([0xA4093822, 0x299F31D0], np.uint32)
COUNTERS = [np.uint64(0), np.uint64(5), np.uint64(2**62 - 1)]
LOW = np.uint64(0xFFFFFFFF)


def philox(key, counters):
    """Blocks uint32 (n, 4) of counters (n, 4): Salmon et al. 2011, section 3.3, as written."""
    c = [counters[:, j].astype(np.uint64) for j in range(4)]
    k = [int(word) for word in key]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & LOW,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & LOW]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(c, axis=1).astype(np.uint32)


def words(key, counter, n, use=0, start=0):
    """The words uint32 (blocks, 4) of the first n blocks from `start`."""
    counter, index = int(counter), [int(start) + i for i in range(n)]
    high = (counter >> 32) % 2**30 | use << 30
    return philox(key, np.array(
        [[i % 2**32, i >> 32 & 0xFFFFFFFF, counter % 2**32, high] for i in index],
        np.uint64).reshape(-1, 4))


def bits(key, counter, shape):
    n = int(np.prod(shape))
    return words(key, counter, -(-n // 4)).ravel()[:n].reshape(shape)


def doubles(key, counter, n):
    """Whole numbers below 2^53, two a block."""
    pairs = words(key, counter, -(-n // 2)).reshape(-1, 2).astype(np.uint64)
    return ((pairs[:, 1] << np.uint64(32)) | pairs[:, 0]) >> np.uint64(11)


def uniform(key, counter, shape, dtype):
    n = int(np.prod(shape))
    if dtype == np.float32:
        return ((bits(key, counter, shape) >> np.uint32(8)) * np.float32(2.0**-24)).astype(dtype)
    return (doubles(key, counter, n)[:n] * 2.0**-53).reshape(shape)


def normal(key, counter, shape, dtype):
    n = int(np.prod(shape))
    if dtype == np.float32:
        u = words(key, counter, -(-n // 4)).reshape(-1, 2).astype(float)
        u, v = (u[:, 0] + 1) * 2.0**-32, u[:, 1] * 2.0**-32
    else:
        u = doubles(key, counter, 2 * n + 2).reshape(-1, 2).astype(float)
        u, v = (u[:, 0] + 1) * 2.0**-53, u[:, 1] * 2.0**-53
    r = np.sqrt(-2 * np.log(u))
    pairs = np.stack([r * np.cos(2 * np.pi * v), r * np.sin(2 * np.pi * v)], axis=1)
    return pairs.ravel()[:n].reshape(shape).astype(dtype)


def samples(make, reference, **fields):
    return [
        Sample(lambda k, c, s=shape: make(k, s, c), lambda k, c, s=shape: reference(k, c, s),
               (KEY, counter), wrt=(), dtypes=(np.float64,), **fields)
        for shape in [(), (1,), (2,), (3,), (4,), (5, 7), (0, 2), (30, 41)] for counter in COUNTERS
    ]


def typed(make, reference, **fields):
    return [
        sample for dtype in (np.float32, np.float64) for sample in samples(
            lambda k, s, c, t=dtype: make(k, s, t, counter=c),
            lambda k, c, s, t=dtype: reference(k, c, s, t), **fields)
    ]


def derived(key, start, n, use):
    return words(key, 0, n, use, start)[:, :2]


SAMPLES = {
    "random_bits": samples(lambda k, s, c: ad.random.bits(k, s, counter=c), bits),
    "random_uniform": typed(ad.random.uniform, uniform),
    "random_normal": typed(ad.random.normal, normal, ulp=4, ulp_of_largest=4),
    "random_keys": [
        Sample(lambda k: ad.random.split(k, 5), lambda k: derived(k, 0, 5, 1), (KEY,), wrt=()),
        Sample(lambda k: ad.random.split(k, 0), lambda k: derived(k, 0, 0, 1), (KEY,), wrt=()),
        *[Sample(lambda k, d: ad.random.fold_in(k, d), lambda k, d: derived(k, d, 1, 2)[0],
                 (KEY, data), wrt=())
          for data in (np.int64(0), np.uint8(200), np.uint64(2**64 - 1))],
    ],
}
ERRORS = {
    "random_bits": [
        BadSample(lambda k: ad.random.bits(k, 3), (KEY.astype(np.int64),), DTypeError, "uint32"),
        BadSample(lambda k: ad.random.bits(k, 3), (KEY[:1],), ShapeError, r"\(2,\)"),
        BadSample(lambda k: ad.random.bits(k, (2, -1)), (KEY,), ShapeError, "negative"),
    ],
    "random_uniform": [
        BadSample(lambda k: ad.random.uniform(k, 3, np.int64), (KEY,), DTypeError, "uniform"),
        BadSample(lambda k, c: ad.random.uniform(k, 3, counter=c), (KEY, values(2)), DTypeError,
                  "0-d integer"),
    ],
}
