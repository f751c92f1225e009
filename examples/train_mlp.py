"""Train the weight-decay MLP of eq. 6.56 on handwritten digits, under a memory policy.

    python examples/train_mlp.py --policy recompute --hidden 128 --epochs 60

The data are scikit-learn's 1,797 images of 8 x 8 pixels; a fixed stratified quarter is the test
set. The parameters after training are the same bits under every policy.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import autodiff as ad
from autodiff.planning import as_policy


def digits():
    """(X_train, y_train, X_test, y_test): pixels scaled to [0, 1], a fixed stratified split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = (X / 16.0).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=0)
    return X_train, y_train, X_test, y_test


def cost(params, X, y, lam):
    """Cross-entropy plus weight decay, J = J_MLE + lam * sum of W^2 (eq. 6.56)."""
    return ad.nn.cross_entropy(ad.nn.mlp(params, X), y) + ad.nn.weight_decay(params, lam)


def train(hidden=64, epochs=60, lam=1e-4, seed=0, policy="store", progress=False):
    """Train an MLP with one hidden layer; returns a dict of what came out."""
    X, y, X_test, y_test = digits()
    params = ad.nn.init_mlp([X.shape[1], hidden, 10], rng=seed)

    def J(params, X, y):
        return cost(params, X, y, lam)

    begun = time.perf_counter()
    params, history = ad.nn.fit(
        J, params, X, y, optimiser=ad.optim.SGD(0.1, momentum=0.9), epochs=epochs,
        batch_size=32, policy=policy, rng=seed, progress=progress)
    seconds = time.perf_counter() - begun

    step, batch = history["step"], (params, X[:32], y[:32])
    step(*batch)
    accuracy = np.mean(ad.nn.mlp(params, X_test).argmax(axis=1) == y_test)
    return {
        "params": params,
        "loss": history["loss"],
        "seconds": seconds,
        "planned": step.plan(*batch).peak_bytes,
        "measured": step.measured_peak_bytes,
        "accuracy": 100 * accuracy,
    }


def draw(losses, path):
    """Save the loss by epoch as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.semilogy(np.arange(1, len(losses) + 1), losses)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="mean cost per example",
             title="Eq. 6.56 on handwritten digits")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def policy(text):
    """A policy as it is given on the command line."""
    try:
        as_policy(text)
    except ad.PolicyError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def at_least_one(text):
    """An int of at least 1, as it is given on the command line."""
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"an int of at least 1 is needed, not {text!r}")
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", type=policy, default="store",
                        help="store, recompute, checkpoint, or a byte budget such as 150kB")
    parser.add_argument("--hidden", type=at_least_one, default=64,
                        help="units of the hidden layer")
    parser.add_argument("--epochs", type=at_least_one, default=60)
    parser.add_argument("--weight-decay", type=float, default=1e-4, help="lambda of eq. 6.56")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=Path("train_mlp.png"))
    given = parser.parse_args()

    try:
        out = train(given.hidden, given.epochs, given.weight_decay, given.seed, given.policy,
                    progress=True)
    except ad.BudgetError as error:
        parser.error(f"argument --policy: {error}")
    draw(out["loss"], given.picture)
    print(f"loss: {out['loss'][-1]:.6f}")
    print(f"time: {out['seconds']:.2f} s")
    print(f"planned peak: {out['planned']} bytes")
    print(f"measured peak: {out['measured']} bytes")
    print(f"loss curve: {given.picture}")
    print(f"test accuracy: {out['accuracy']:.2f} %")


if __name__ == "__main__":
    main()
