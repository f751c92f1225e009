"""Who owns a graph, when it goes, and that size and number do not matter to it."""

import contextvars
import gc
import resource
import sys
import threading
import weakref

import numpy as np
import pytest

import autodiff as ad

# ---- ownership ------------------------------------------------------------------------------

def in_new_context(f):
    """Call `f` where no graph is: an empty context, as a new thread has."""
    return contextvars.Context().run(f)


def test_variables_made_apart_in_one_context_combine():
    def body():
        x = ad.variable("x", (3,))
        y = ad.variable("y", (3,))
        assert x.graph is y.graph
        return (x + y).inputs == (x, y)
    assert in_new_context(body)


def test_the_innermost_with_owns():
    with ad.Graph() as outer:
        x = ad.variable("x")
        with ad.Graph() as inner:
            y = ad.variable("y")
            assert (x + 1.0).graph is outer       # an operation stays in its arguments' graph
        z = ad.variable("z")
        with inner:
            assert ad.variable("w").graph is inner
    assert (x.graph, y.graph, z.graph) == (outer, inner, outer)
    assert ad.variable("v").graph not in (outer, inner)


def test_a_graph_may_be_entered_twice_and_is_left_by_an_error():
    g = ad.Graph()

    def body():
        with g, g:
            assert ad.variable("x").graph is g
            raise KeyError

    with pytest.raises(KeyError):
        body()
    assert ad.variable("y").graph is not g


def test_a_variable_may_be_put_into_a_named_graph():
    g = ad.Graph()
    assert ad.variable("x", graph=g).graph is g


def test_the_contexts_own_graph_goes_with_its_last_variable():
    def body():
        x = ad.variable("x", (3,))
        y = np.exp(x) + 1.0
        g = weakref.ref(x.graph)
        del x
        assert g() is y.graph                     # one Variable keeps all of it
        assert [v.name for v in y.graph] == ["x", "u1", "1.0", "u2"]
        del y
        assert g() is None                        # without the garbage collector
        return ad.variable("z").index
    assert in_new_context(body) == 0


def test_a_variable_may_go_and_come_back():
    with ad.Graph() as g:
        x = ad.variable("x")
        reference = weakref.ref(x)
        del x
        assert reference() is None
        assert g[0].name == "x"


def test_cycles_through_a_graph_are_collected():
    class Holder:
        pass

    holder = Holder()
    holder.graph = ad.Graph()
    with holder.graph:
        holder.x = ad.variable("x") * np.arange(3.0)
    g = weakref.ref(holder.graph)
    del holder
    gc.collect()
    assert g() is None


def test_threads_have_graphs_of_their_own():
    graphs = []

    def body():
        x = ad.variable("x")
        for _ in range(200):
            x = x * 2.0 + 1.0
        graphs.append(x.graph)

    threads = [threading.Thread(target=body) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(g) for g in graphs}) == 4
    assert {len(g) for g in graphs} == {403}


def test_graphs_do_not_mix():
    with ad.Graph():
        x = ad.variable("x", (3,))
    with ad.Graph():
        y = ad.variable("y", (3,))
    for attempt in (lambda: x + y, lambda: np.maximum(x, y), lambda: x @ y,
                    lambda: np.where(x > 0, x, y), lambda: ad.Program([x], [y])):
        with pytest.raises(ad.GraphError, match="different graphs"):
            attempt()
    assert len(x.graph) <= 3


MIXED = {
    "grad": lambda x, y: ad.grad(lambda a, b: a.sum(), argnums=(0, 1))(x, y),
    "grad of": lambda x, y: ad.grad(lambda a: y.sum())(x),
    "value_and_grad": lambda x, y: ad.value_and_grad(lambda p: p[1].sum())((x, y)),
    "vjp": lambda x, y: ad.vjp(lambda a, b: a, x, y),
    "vjp of": lambda x, y: ad.vjp(lambda a: y, x)[1](x),
    "vjp of, traced": lambda x, y: ad.vjp(lambda a: y, np.ones(3)),
    "jvp of, traced": lambda x, y: ad.jvp(lambda a: y, (np.ones(3),), (np.ones(3),)),
    "cotangent": lambda x, y: ad.vjp(np.sin, x)[1](y),
    "jvp": lambda x, y: ad.jvp(lambda a, b: a, (x, y), (x, x)),
    "jvp of": lambda x, y: ad.jvp(lambda a: y, (x,), (x,)),
    "tangent": lambda x, y: ad.jvp(np.sin, (x,), (y,)),
    "jacobian": lambda x, y: ad.jacobian(lambda a: y)(x),
    "hessian": lambda x, y: ad.hessian(lambda a: y.sum())(x),
    "hvp": lambda x, y: ad.hvp(lambda a: (a**3).sum())(x, y),
    "traced": lambda x, y: ad.grad(lambda a: ad.grad(lambda b: b.sum())(y).sum())(np.ones(3)),
    "aux": lambda x, y: ad.grad(lambda a: (a.sum(), y), has_aux=True)(np.ones(3)),
    "frontier": lambda x, y: ad.frontier(lambda a: y.sum(), np.ones(3)),
    "returned": lambda x, y: ad.compile(lambda a: y)(np.ones(3)),
    "checkpoint": lambda x, y: ad.checkpoint(np.add)(x, y),
}


@pytest.mark.parametrize("case", MIXED)
def test_graphs_do_not_mix_in_transforms(case):
    with ad.Graph():
        x = ad.variable("x", (3,))
    with ad.Graph():
        for _ in range(100):                      # beyond the nodes of the other graph
            y = ad.variable("y", (3,))
    with pytest.raises(ad.GraphError, match=r"different graphs|another graph"):
        MIXED[case](x, y)


# ---- gradients refuse -----------------------------------------------------------------------

@pytest.mark.parametrize("target", [np.zeros(3), "x", [np.zeros(3)], [1.0], [None]])
def test_targets_are_variables(target):
    with ad.Graph():
        z = ad.variable("x", (3,)).sum()
    with pytest.raises(ad.GraphError, match=r"must be Variables.*ad\.grad") as error:
        ad.gradients(z, target)
    assert isinstance(error.value, ValueError)


def test_targets_and_outputs_of_two_graphs():
    with ad.Graph():
        x = ad.variable("x")
    with ad.Graph():
        y = ad.variable("y")
    for outputs, targets, seeds in ((x, y, None), ([x, y], x, None), (x, [x, y], None), (x, x, y)):
        with pytest.raises(ad.GraphError, match=r"different graphs|another graph"):
            ad.gradients(outputs, targets, seeds)


def test_integers_are_not_differentiated():
    with ad.Graph():
        k, x = ad.variable("k", (3,), np.int64), ad.variable("x", (3,))
        with pytest.raises(ad.DTypeError, match=r"target.*k.*astype"):
            ad.gradients((k * x).sum(), k)
        with pytest.raises(ad.DTypeError, match=r"output"):
            ad.gradients(k.sum(), x)


def test_outputs_are_scalars_or_have_seeds():
    with ad.Graph() as g:
        x = ad.variable("x", (3,))
        y = np.exp(x)
        n = len(g)
        with pytest.raises(ad.ShapeError, match=r"\(3,\).*\.sum\(\)"):
            ad.gradients(y, x)
        with pytest.raises(ad.ShapeError, match=r"seed of shape \(2,\)"):
            ad.gradients(y, x, np.ones(2))
        with pytest.raises(ad.ShapeError, match="2 seeds for 1"):
            ad.gradients(y, x, [y, y])
        with pytest.raises(ad.GraphError, match="no targets"):
            ad.gradients(y.sum(), [])
        assert len(g) <= n + 3
        dx = ad.gradients(y, x, np.ones(3))       # the next call works, on level 1
        assert (dx.shape, dx.level) == ((3,), 1)


# ---- size and number ------------------------------------------------------------------------

def test_a_chain_of_100_000_needs_no_stack():
    """In a thread of 256 KiB of stack: recursion, of Python or C, would not survive."""
    depth, seen = 100_000, []

    def body():
        with ad.Graph() as g:
            x = ad.variable("x")
            y = x
            for _ in range(depth // 2):
                y = np.exp(y) * 0.5
            dx = ad.gradients(y, x)
            seen.append(sum(v.level for v in g))
            seen.append(dx.index == len(g) - 1)
            seen.append(y.consumers() == [])
            seen.append(len(str(g)))
            seen.append(g.to_dot().count("->"))
        del x, y, dx, g

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=body)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    levels, last, no_consumers, listed, arrows = seen
    assert levels >= depth
    assert last
    assert no_consumers
    assert listed < 30_000
    assert arrows >= 2.5 * depth


def resident_peak():
    """The process's highest resident memory in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def test_10_000_graphs_do_not_grow_the_process():
    def build():
        with ad.Graph():
            x = ad.variable("x", (3,))
            z = (np.exp(x * np.arange(3.0)) + 0.25).sum()
            ad.gradients(ad.gradients(z, x).sum(), x)

    for _ in range(500):
        build()
    gc.collect()
    blocks, peak = sys.getallocatedblocks(), resident_peak()
    for _ in range(10_000):
        build()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 500     # a leak of one object each is 10,000
    assert resident_peak() - peak < 4 << 20            # a leak of one graph each is 80 MB
