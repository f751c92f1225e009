"""The deep MLP in each system, at each of its points between memory and time: a worker.

`depth` layers relu(h @ W) of one width, cross-entropy of the last, the gradient of all W, float32.
A spec is {"system": ..., "option": ..., "depth": ..., "width": ..., "batch": ...}; the function a
user would write stands once for each system, with what that system offers to save memory.
"""

import numpy as np
from workers import Task, serve


def arrays(depth, width, batch, **_):
    """(weights, X, y) of a problem: weights drawn with variance 2 / width, seed 0."""
    rng = np.random.default_rng(0)
    weights = [(rng.standard_normal((width, width)) * np.sqrt(2 / width)).astype(np.float32)
               for _ in range(depth)]
    return weights, rng.standard_normal((batch, width)).astype(np.float32), rng.integers(
        0, width, batch)


def by_hand(weights, X, y):
    """Loss and gradients written out in NumPy: what every system is compared with."""
    states, rows = [X], np.arange(len(X))
    for W in weights:
        states.append(np.maximum(states[-1] @ W, 0))
    shifted = states[-1] - states[-1].max(axis=1, keepdims=True)
    sums = np.exp(shifted).sum(axis=1, keepdims=True)
    loss = (np.log(sums[:, 0]) - shifted[rows, y]).mean(dtype=np.float64)
    g = np.exp(shifted) / sums
    g[rows, y] -= 1
    g /= len(X)
    gradients = []
    for W, h, above in zip(weights[::-1], states[-2::-1], states[:0:-1]):
        g = np.where(above > 0, g, 0)
        gradients.append(h.T @ g)
        g = g @ W.T
    return [np.asarray(loss, np.float32), *gradients[::-1]]


def cost(weights, X, y):
    """The problem as a user of the library writes it."""
    import autodiff as ad

    h = X
    for W in weights:
        h = np.maximum(h @ W, 0)
    return ad.nn.cross_entropy(h, y)


def ours(spec):
    """`option` is a policy: "store", or a budget in bytes."""
    import autodiff as ad

    args = arrays(**spec)
    step = ad.compile(ad.value_and_grad(cost), policy=spec["option"])
    plan = step.plan(*args)

    def facts():
        return {"planned": plan.peak_bytes, "measured": step.measured_peak_bytes,
                "overhead": plan.overhead, "library": ad.library_bytes()}

    return Task(lambda: step(*args), facts)


def torch(spec):
    """`option`: "store"; ["checkpoint", k]; ["compile", fraction], 1 for store."""
    import torch
    from torch.utils.checkpoint import checkpoint

    way, amount = [spec["option"], 0] if isinstance(spec["option"], str) else spec["option"]
    weights, X, y = arrays(**spec)
    weights = [torch.from_numpy(W).requires_grad_() for W in weights]
    X, y = torch.from_numpy(X), torch.from_numpy(y)

    def layers(h, *weights):
        for W in weights:
            h = torch.relu(h @ W)
        return h

    def cost(*weights):
        h = X
        if way == "checkpoint":
            for k in range(0, len(weights), amount):
                h = checkpoint(layers, h, *weights[k : k + amount], use_reentrant=False)
        else:
            h = layers(h, *weights)
        return torch.nn.functional.cross_entropy(h, y)

    if way == "compile":
        import torch._functorch.config

        torch._functorch.config.activation_memory_budget = amount
        cost = torch.compile(cost, dynamic=False)

    def step():
        loss = cost(*weights)
        gradients = torch.autograd.grad(loss, weights)
        return [loss.detach(), *gradients]

    return Task(step, late=way == "compile")


def jax(spec):
    """`option`: "store"; ["checkpoint", k] layers each; ["scan", k], over checkpointed blocks."""
    import jax
    import jax.numpy as jnp

    way, amount = [spec["option"], 0] if isinstance(spec["option"], str) else spec["option"]
    weights, X, y = arrays(**spec)

    def layers(h, weights):
        for W in weights:
            h = jax.nn.relu(h @ W)
        return h

    def cost(weights, X, y):
        if way == "scan":
            # One array of all weights, as scan wants it: blocks of `amount` layers.
            blocks = weights.reshape(-1, amount, *weights.shape[1:])
            block = jax.checkpoint(lambda h, Ws: (layers(h, Ws), None))
            h, _ = jax.lax.scan(block, X, blocks)
        elif way == "checkpoint":
            h = X
            for k in range(0, len(weights), amount):
                h = jax.checkpoint(layers)(h, weights[k : k + amount])
        else:
            h = layers(X, weights)
        picked = jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], axis=1)
        return -picked.mean()

    args = [jnp.asarray(np.stack(weights)) if way == "scan" else list(map(jnp.asarray, weights)),
            jnp.asarray(X), jnp.asarray(y.astype(np.int32))]
    compiled = jax.jit(jax.value_and_grad(cost)).lower(*args).compile()

    def shown(results):
        loss, gradients = results
        return [loss, *gradients]       # of a stacked array its slices

    return Task(lambda: jax.block_until_ready(compiled(*args)), shown=shown)


SYSTEMS = {"ours": ours, "torch": torch, "jax": jax}

TINY = {"depth": 12, "width": 8, "batch": 16}


def prepare(spec):
    """Make the task; a tiny step first, as what is imported or made once is not the problem's."""
    make = SYSTEMS[spec["system"]]
    task = make(spec)
    if not task.late:
        make({**spec, **TINY}).step()
    return task


if __name__ == "__main__":
    serve(prepare)
