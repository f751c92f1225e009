"""Who computes: for each system a call that gives value and gradient, written as its users do.

A builder takes a workload and returns a `Task`. Systems are imported in their builders, so a
process, this file being the worker's script, holds the one it measures and no other. A spec is
{"system": ..., "workload": ..., "quick": ...}.
"""

import importlib.util
import os
import time

import numpy as np
from workers import Task, serve
from workloads import WORKLOADS, Names, Workload


def listed(gradients):
    """Gradients as a list, of one array too."""
    return list(gradients) if isinstance(gradients, list | tuple) else [gradients]


def ours(workload: Workload, traced=False, policy=None):
    import autodiff as ad

    if workload.timed == "planning":
        return planning(workload)
    names = Names(np.tanh, np.exp, np.sin, np.sum, ad.nn.relu, ad.nn.cross_entropy)
    params, data = workload.make()
    if workload.timed == "first call":
        forget = getattr(ad, "clear_cache", lambda: None)

        def first():
            forget()
            return ad.compile(ad.value_and_grad(workload.function(names)), policy)(params, *data)
        return Task(first)
    step = ad.value_and_grad(workload.function(names))
    if traced:
        return Task(lambda: step(params, *data))
    step = ad.compile(step, policy)

    begun = time.perf_counter()
    plan = step.plan(params, *data)
    built = time.perf_counter() - begun

    def facts():
        return {"planned": plan.peak_bytes, "measured": step.measured_peak_bytes,
                "library": ad.library_bytes(), "built": built}
    return Task(lambda: step(params, *data), facts)


def planning(workload: Workload):
    """Programs for store of one graph: its regions, plan and addresses."""
    import autodiff as ad

    params, _ = workload.make()
    with ad.Graph():
        y = ad.variable("y", params.shape, params.dtype)
        value = workload.function(None)(y)
        gradients = ad.gradients(value, [y])

    def step():
        ad.Program([y], [value, *gradients], policy="store")
    return Task(step, shown=lambda results: [])


def autograd(workload: Workload):
    import autograd
    import autograd.numpy as anp

    def cross_entropy(z, labels):
        shifted = z - anp.max(z, axis=1, keepdims=True)
        likelihood = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
        return -anp.mean(likelihood[np.arange(len(labels)), labels])

    names = Names(anp.tanh, anp.exp, anp.sin, anp.sum, lambda x: anp.maximum(x, 0), cross_entropy)
    params, data = workload.make()
    step = autograd.value_and_grad(workload.function(names))
    return Task(lambda: step(params, *data))


def torch(workload: Workload, compiled=False):
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    names = Names(torch.tanh, torch.exp, torch.sin, torch.sum, torch.relu,
                  torch.nn.functional.cross_entropy)
    f = workload.function(names)
    if compiled:
        f = torch.compile(f, fullgraph=True, dynamic=False)
    params, data = workload.make()
    several = isinstance(params, list)

    def tensors(params):
        return [torch.from_numpy(a).requires_grad_() for a in listed(params)]

    data = [torch.from_numpy(a) for a in data]
    held = tensors(params)

    def step():
        inputs = tensors(params) if workload.numpy_io else held
        value = f(inputs if several else inputs[0], *data)
        gradients = torch.autograd.grad(value, inputs)
        if workload.numpy_io:
            return value.item(), [g.numpy() for g in gradients]
        return value.detach(), gradients

    return Task(step)


def jax(workload: Workload, compiled=True):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def cross_entropy(z, labels):
        likelihood = jax.nn.log_softmax(z)
        return -jnp.mean(jnp.take_along_axis(likelihood, labels[:, None], axis=1))

    names = Names(jnp.tanh, jnp.exp, jnp.sin, jnp.sum, jax.nn.relu, cross_entropy)
    params, data = workload.make()
    if not workload.numpy_io:
        params, data = jax.tree.map(jnp.asarray, (params, data))
    if workload.timed == "first call":
        def first():
            jax.clear_caches()
            step = jax.jit(jax.value_and_grad(workload.function(names)))
            return jax.block_until_ready(step(params, *data))
        return Task(first)
    step = jax.value_and_grad(workload.function(names))
    if compiled:
        step = jax.jit(step)
    if workload.numpy_io:
        def out():
            value, gradient = step(params, *data)
            return float(value), np.asarray(gradient)
        return Task(out)
    return Task(lambda: jax.block_until_ready(step(params, *data)))


def casadi(workload: Workload):
    import casadi

    begun = time.perf_counter()
    params, _ = workload.make()
    y = casadi.SX.sym("y")
    value = workload.function(None)(y)
    built = casadi.Function("f", [y], [value, casadi.gradient(value, y)])
    seconds = time.perf_counter() - begun
    # CasADi's way without its conversions: numbers are read and written where they are.
    argument, results = params.reshape(1), (np.zeros(1), np.zeros(1))
    buffer, evaluate = built.buffer()
    held = buffer, argument, built          # which evaluate does not keep alive
    buffer.set_arg(0, memoryview(argument))
    for k, result in enumerate(results):
        buffer.set_res(k, memoryview(result))

    def step():
        evaluate()
        return held and results
    return Task(step, lambda: {"built": seconds},
                lambda results: [result.reshape(()) for result in results])


def floor(workload: Workload):
    from floors import floor_of

    return floor_of(workload)


# system: (module that must be there, builder)
SYSTEMS = {
    "ours": ("autodiff", ours),
    "ours traced": ("autodiff", lambda workload: ours(workload, traced=True)),
    "autograd": ("autograd", autograd),
    "torch": ("torch", torch),
    "torch.compile": ("torch", lambda workload: torch(workload, compiled=True)),
    "jax": ("jax", jax),
    "jax eager": ("jax", lambda workload: jax(workload, compiled=False)),
    "casadi": ("casadi", casadi),
    "floor": ("numpy", floor),
}


def is_ours(system):
    return system.split()[0] == "ours"


def is_peer(system):
    """Whether a system is one that a user would pick instead."""
    return system != "floor" and not is_ours(system)


def is_installed(system):
    return importlib.util.find_spec(SYSTEMS[system][0]) is not None


def prepare(spec):
    """Make the task of a spec."""
    workload = WORKLOADS[spec["workload"]]
    return SYSTEMS[spec["system"]][1](workload.small() if spec["quick"] else workload)


if __name__ == "__main__":
    serve(prepare)
