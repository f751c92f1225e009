"""Which byte budgets a benchmark asks for: from the smallest that is granted to store's peak."""

import numpy as np

import autodiff as ad


def extremes(f, *args):
    """The smallest budget of a frontier of f that a plan is found for again, and store's peak."""
    found = ad.frontier(f, *args, points=8)
    for point in found:
        try:
            ad.plan(f, *args, policy=point.peak_bytes)
        except ad.BudgetError:      # packing took its own share of another plan
            continue
        return point.peak_bytes, found[-1].peak_bytes


def between(smallest, store, share):
    """The budget `share` of the way from the smallest to store's peak, in bytes."""
    return smallest + round(share * (store - smallest))


def descending(smallest, store, n):
    """n budgets from store's peak to the smallest, in equal ratios."""
    return [round(float(b)) for b in np.geomspace(store, smallest, n)]
