"""Plant faults, one at a time, in a copy of the checkout, and see a test catch each.

    make mutants

A fault that no test notices is a hole in the tests; the script then fails and names it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# (what it is, file, the line as it stands, the line as planted, the tests that must notice)
MUTANTS = [
    ("a wrong rule: tanh' = 1 + y^2",
     "autodiff/ops/functions.py", "g * (1 - y * y)", "g * (1 + y * y)", "test_laws.py -k tanh"),
    ("swapped arguments: the first factor's rule serves the second",
     "autodiff/ops/arithmetic.py", "lambda g, y, a, b: g * a", "lambda g, y, a, b: g * b",
     "test_laws.py -k multiply"),
    ("a lost sign: subtract hands g to both",
     "autodiff/ops/arithmetic.py", "lambda g, y, a, b: -g", "lambda g, y, a, b: g",
     "test_laws.py -k subtract"),
    ("a tie of maximum goes to both in full",
     "autodiff/core/simd_light.h", "(b == c ? (T)0.5 : 1)", "(b == c ? (T)1.0 : 1)",
     "test_conventions.py"),
    ("and in the loop that takes any steps",
     "autodiff/core/loops.h", "(T)0.5 * (T)(p[i] == q[i])", "(T)0.0 * (T)(p[i] == q[i])",
     "test_elementwise.py -k own_loops"),
    ("a product's gradient forgets to transpose",
     "autodiff/ops/products.py", "matmul(g, flip(b))", "matmul(g, b)",
     "test_laws.py -k matmul"),
    ("broadcasting is not undone over the leading axes",
     "autodiff/ops/movement.py", "axes = tuple(range(lead)) +", "axes = tuple(range(0)) +",
     "test_laws.py -k add"),
    ("the gradient of an input used twice is not added",
     "autodiff/core/sweep.pyx", "        if self.table[v - self.first]:\n            total =",
     "        if self.table[v - self.first] < 0:\n            total =", "test_laws.py -k multiply"),
    ("constants merge by value: 0.0 and -0.0 become one node",
     "autodiff/core/constants.pyx", "(value.tobytes(), value.dtype.char)",
     "(float(value) == 0, value.dtype.char)", "test_graph.py"),
    ("an in-place result over an operand that is still read in another layout",
     "autodiff/core/abstract.pyx",
     "        if other != source and regions.values[other].root == source:\n"
     "            return False\n",
     "", "test_in_place.py"),
    ("a part added into a copy that is not made",
     "autodiff/core/movement.h", "if (p[2] != p[1])", "if (0)", "test_in_place.py"),
    ("a product that something else reads is scaled in its call",
     "autodiff/core/forms.pyx", "self.readers[u] != 1 or ", "", "test_forms.py"),
    ("forms of products depend on what a pullback keeps",
     "autodiff/pullbacks.py", "trace.graph.settled = first ", "trace.graph.settled = 0 ",
     "test_forms.py -k pullbacks"),
    ("and on what a trace keeps of the values it looks at",
     "autodiff/kept.py", "self._graph.settled = len(self._graph) ", "pass ",
     "test_forms.py -k looked"),
    ("constants are folded though that captures more bytes",
     "autodiff/core/folding.pyx", "marks, last) <= captured:", "marks, last) <= 9 * captured:",
     "test_folding.py"),
    ("x + 0 is taken for x, and -0 + 0 for -0",
     "autodiff/core/rules.pyx", "1, MINUS_ZERO, FLOATS", "1, ZERO, FLOATS", "test_simplify.py"),
    ("a conversion that rounds is undone",
     "autodiff/core/rules.pyx", "np.can_cast(_a, _b)", "_a is not None", "test_simplify.py"),
    ("programs that differ in a literal 1 are one",
     "autodiff/core/queries.pyx", "put(&stream, which_number(graph, v))", "put(&stream, 0)",
     "test_simplify.py"),
    ("a lost free: the buffer of a dead value is given away one step early",
     "autodiff/core/buffers.pyx", "death_[last_[v]] = t\n", "death_[last_[v]] = t - 1\n",
     "test_random_graphs.py test_laws.py -k 'policy or random'"),
    ("a buffer that was moved is looked for where it was",
     "autodiff/core/code.pyx", "offset[b] = moves[moved, 3]", "offset[b] = offset[b]",
     "test_moves.py"),
    ("buffers that slide upwards are moved in the order of those that slide downwards",
     "autodiff/core/moves.pyx", "range(last - 1, middle - 1, -1)", "range(middle, last)",
     "test_moves.py"),
    ("too few buffers slide out of the place of a result",
     "autodiff/core/moves.pyx", "+ sum_below <= limit", "+ sum_below <= self.extent",
     "test_moves.py"),
    ("the executor forgets to record what it touches",
     "autodiff/core/program.pyx", "high[at[j].base] = at[j].end", "high[at[j].base] = 0",
     "test_counts.py test_laws.py -k 'policy or thousand'"),
    ("a negative power of integers is computed in the sum that reads it, which cannot tell",
     "autodiff/core/traits.pyx", '.name == "power_integer"', '.name == "power"',
     "test_fusion.py -k negative"),
    ("values computed twice do not count to the length of a region",
     "autodiff/core/fuse.pyx",
     "    if inside[x.first].length >= LONGEST or inside[x.second].length >= LONGEST:\n"
     "        return False\n",
     "", "test_fusion.py -k short"),
    ("a register is free again after its first reader, not after its last",
     "autodiff/core/assembly.pyx", "if ref < 0 and last[~ref] == at:", "if ref < 0:",
     "test_fusion.py"),
    ("a concatenation within another one begins where that begins",
     "autodiff/core/regions.pyx", "self.add_pieces(of, u, at, pieces, inside)",
     "self.add_pieces(of, u, 0, pieces, inside)", "test_pieces.py"),
    ("the rows of a piece lie next to each other, as if it were the whole result",
     "autodiff/core/regions.pyx", "self.add_layout((rows, n // size), (pitch, size))",
     "self.add_layout((rows, n // size), (n, size))", "test_pieces.py"),
    ("an off-by-one checkpoint: one state too few between those kept",
     "autodiff/planning/checkpoint.py", "narrow[k - 1 :: k]", "narrow[k::k]",
     "test_planning_checkpoint.py test_counts.py"),
    ("a profile counts half of a product",
     "autodiff/profiles.py", "return 2 * y.size * y", "return y.size * y", "test_profile.py"),
    ("a profile gives a script's time to its first computation only",
     "autodiff/measured.py", "instruction, part / np.bincount(instruction, part)[instruction]",
     "instruction, np.append(True, np.diff(instruction) > 0)", "test_profile.py"),
    ("a pullback forgets what is held beside it",
     "autodiff/pullbacks.py", "inputs, grads, _less(policy, forward.plan.result_bytes))",
     "inputs, grads, policy)", "test_pullbacks.py"),
    ("a forward pass forgets the arrays of its pullback",
     "autodiff/pullbacks.py", "beside = sum(graph", "beside = 0 * sum(graph",
     "test_pullbacks.py"),
]


def run(command, folder):
    """Run a command in the copy; True if it ended well."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, shell=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


def build(folder):
    ok, output = run(f"{sys.executable} setup.py -q build_ext --inplace", folder)
    if not ok:
        sys.exit(f"the copy does not build:\n{output[-3000:]}")


def tests(folder, chosen):
    return run(f"{sys.executable} -m pytest -q -x -p no:cacheprovider --rootdir tests "
               + " ".join(f"tests/{word}" if word.endswith(".py") else word
                          for word in chosen.split(" ")), folder)


def main():
    survivors = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "copy"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(
            ".git", ".venv*", "*.so", "dist", ".hypothesis"))
        build(folder)
        for chosen in sorted({mutant[-1] for mutant in MUTANTS}):
            ok, output = tests(folder, chosen)
            if not ok:
                sys.exit(f"{chosen} fails before anything is planted:\n{output[-3000:]}")
        for what, name, old, new, chosen in MUTANTS:
            path = folder / name
            original = path.read_text()
            if old not in original:
                sys.exit(f"{name} has no line {old!r} any more: mend tests/mutants.py")
            path.write_text(original.replace(old, new, 1))
            compiled = path.suffix in (".pyx", ".h")
            if compiled:
                build(folder)
            caught = not tests(folder, chosen)[0]
            path.write_text(original)
            if compiled:
                build(folder)
            print(f"{'caught' if caught else 'SURVIVED'}: {what}", flush=True)
            if not caught:
                survivors.append(what)
    if survivors:
        sys.exit(f"{len(survivors)} of {len(MUTANTS)} faults were not noticed")
    print(f"all {len(MUTANTS)} faults were caught")


if __name__ == "__main__":
    main()
