"""Samples of the products of matrices and vectors."""

import numpy as np

from autodiff.errors import DTypeError, ShapeError
from autodiff.ops import products
from samples import BadSample, Sample, values

# (shape of a, shape of b): vectors, matrices, batches that broadcast, single and no extents.
MATMUL = [
    ((3,), (3,)), ((1,), (1,)), ((0,), (0,)),
    ((2, 3), (3,)), ((3,), (3, 4)), ((1, 3), (3,)), ((3,), (3, 1)), ((1,), (1, 4)),
    ((2, 3), (3, 4)), ((1, 3), (3, 4)), ((2, 1), (1, 4)), ((2, 3), (3, 1)), ((1, 3), (3, 1)),
    ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((3, 3), (3, 3)),
    ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)), ((5, 1, 3), (3, 2)), ((2, 5, 2, 3), (3, 2)),
    ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((3,), (2, 1, 3, 2)),
    ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
    ((1, 1, 3), (5, 3, 1)), ((0, 2, 3), (3, 4)), ((5, 2, 0), (0, 4)),
]
DOT = [((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3, 4)), ((2, 2, 3), (3,)),
       ((2, 3), (4, 3, 2)), ((3,), (4, 3, 2)), ((2, 2, 3), (2, 4, 3, 2)), ((2, 0), (4, 0, 2))]
OUTER = [((3,), (4,)), ((2, 2), (3,)), ((), (3,)), ((0,), (3,))]


def pairs(function, reference, shapes, **fields):
    """A sample for each pair of shapes."""
    return [
        Sample(function, reference, (values(*p), values(*q, seed=1)), (0, 1), ulp_of_largest=16,
               **fields)
        for p, q in shapes
    ]


def lies(change, shapes=(((4, 4), (4, 4)), ((3, 4, 4), (4, 4)), ((3, 4, 4), (3, 4, 4)))):
    """matmul of operands that lie otherwise, so that BLAS is told or a copy is made."""
    return pairs(lambda a, b: products.matmul(*change(a, b)),
                 lambda a, b: np.matmul(*change(a, b)), shapes)


def last_two(x):
    return x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


INTEGERS = np.arange(-6, 6).reshape(3, 4)
SAMPLES = {
    "matmul": [
        *pairs(products.matmul, np.matmul, MATMUL),
        *lies(lambda a, b: (last_two(a), b)),
        *lies(lambda a, b: (a, last_two(b))),
        *lies(lambda a, b: (last_two(a), last_two(b))),
        *lies(lambda a, b: (a.transpose(1, 0, 2), b), [((3, 5, 4), (4, 2)), ((3, 5, 4), (4,))]),
        *lies(lambda a, b: (a.transpose(1, 2, 0), b), [((3, 5, 4), (3, 2)), ((3, 5, 1), (3,))]),
        *lies(lambda a, b: (a.transpose(2, 1, 0), b), [((3, 5, 4), (3, 2)), ((3, 1, 4), (3, 2))]),
        *lies(lambda a, b: (a[..., ::2, :], b[..., :, 1::2])),
        *lies(lambda a, b: (a[..., ::2], b[..., ::2, :])),
        *lies(lambda a, b: (a[..., 0, :], b[..., :, 0].T)),
        *lies(lambda a, b: (a[..., :1, 1:], b[..., 1:, :1])),
        *pairs(products.dot, np.dot, [shapes for shapes in DOT if () not in shapes]),
        Sample(products.matmul, np.matmul, (INTEGERS, INTEGERS.T.copy()), ()),
        Sample(products.matmul, np.matmul, (INTEGERS, np.ones((2, 4, 3), np.uint8)), ()),
        Sample(products.matmul, np.matmul, (INTEGERS > 0, INTEGERS.T.copy() > 2), ()),
        Sample(products.matmul, np.matmul, (INTEGERS, values(4, 2)), (1,), ulp_of_largest=16,
               dtypes=(np.float64,)),
        Sample(products.matmul, np.matmul, (values(40, 70), values(70, 50, seed=1)), (0, 1),
               ulp_of_largest=32, order=0),
    ],
    "multiply": [
        *pairs(products.dot, np.dot, [shapes for shapes in DOT if () in shapes]),
        *pairs(products.outer, np.outer, OUTER),
    ],
}
ERRORS = {
    "matmul": [
        *[BadSample(products.matmul, (np.ones(p), np.ones(q)), ShapeError)
          for p, q in (((3,), (4,)), ((2, 3), (2, 3)), ((2, 3), (4,)), ((2,), (3, 4)),
                       ((), (3,)), ((3, 2), ()), ((2, 2, 3), (3, 3, 2)))],
        *[BadSample(products.dot, (np.ones(p), np.ones(q)), ShapeError, "dot")
          for p, q in (((3,), (4,)), ((2, 3), (2, 3)), ((2, 3), (3, 4, 2)))],
        BadSample(lambda a: products.matmul(a, "b"), (np.ones(2),), DTypeError),
        BadSample(lambda a: products.dot(a, None), (np.ones(2),), DTypeError, "dot"),
    ],
}
