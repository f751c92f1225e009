"""The sigmoid network 2-2-2 that many courses compute by hand: forward, backward, one comparison.

    python examples/two_two_two.py

x = (.05, .10), targets (.01, .99); h1 = s(w1 x1 + w3 x2 + b1), h2 = s(w2 x1 + w4 x2 + b2),
o1 = s(w5 h1 + w7 h2 + b3), o2 = s(w6 h1 + w8 h2 + b4), and the mean squared error of (o1, o2).
The gradients of the library are compared with algorithm 6.4 of the textbook module.
"""

import numpy as np

import autodiff as ad
from autodiff import textbook

X = np.array([0.05, 0.10])
TARGET = np.array([0.01, 0.99])
PARAMS = {
    "W1": np.array([[0.15, 0.20], [0.25, 0.30]]),  # rows are inputs: w1 w2, w3 w4
    "b1": np.array([0.35, 0.35]),
    "W2": np.array([[0.40, 0.45], [0.50, 0.55]]),  # w5 w6, w7 w8
    "b2": np.array([0.60, 0.60]),
}


def network(params):
    """The four stages: net input and output of the hidden and of the output units."""
    a1 = X @ params["W1"] + params["b1"]
    h = ad.nn.sigmoid(a1)
    a2 = h @ params["W2"] + params["b2"]
    return a1, h, a2, ad.nn.sigmoid(a2)


def cost(params):
    return ad.nn.mse(network(params)[-1], TARGET)


def by_algorithm_6_4():
    """The gradients by the book: its W is (outputs, inputs)."""
    grad_W, grad_b = textbook.algorithm_6_4(
        [PARAMS["W1"].T, PARAMS["W2"].T], [PARAMS["b1"], PARAMS["b2"]], X, TARGET,
        [textbook.SIGMOID, textbook.SIGMOID], textbook.MEAN_SQUARED_ERROR)
    return {"W1": grad_W[0].T, "b1": grad_b[0], "W2": grad_W[1].T, "b2": grad_b[1]}


def main():
    a1, h, a2, o = network(PARAMS)
    print("net input of the hidden units:", *(f"{v:.2f}" for v in a1))
    print("their outputs:                ", *(f"{v:.2f}" for v in h))
    print("net input of output unit 1:   ", f"{a2[0]:.2f}")
    print("output of unit 1:             ", f"{o[0]:.2f}")
    J, grads = ad.value_and_grad(cost)(PARAMS)
    print(f"mean squared error: {float(J):.6f}")
    expected = by_algorithm_6_4()
    for name, g in grads.items():
        same = np.allclose(g, expected[name], rtol=1e-14, atol=0)
        print(f"dJ/d{name} = {g.tolist()}  equal to algorithm 6.4: {same}")


if __name__ == "__main__":
    main()
