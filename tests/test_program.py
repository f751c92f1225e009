"""Programs: what a call accepts, what it measures, what it leaves behind."""

import gc
import threading
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff.core.abstract import problem_arrays
from autodiff.core.program import Executable
from autodiff.core.regions import Regions
from autodiff.planning import Problem, Store


def tanh_program(n=1000, policy=None):
    with ad.Graph():
        x = ad.variable("x", (n,))
        y = np.tanh(np.tanh(x) * 2)
        return ad.Program([x], [y.sum(), *ad.gradients(y.sum(), [x])], policy=policy)


def test_a_program_takes_python_scalars_for_0_d_inputs():
    with ad.Graph():
        x, k, b = ad.variable("x"), ad.variable("k", (), np.int32), ad.variable("b", (), bool)
        program = ad.Program([x, k, b], [x * k, np.where(b, x, 0.0)])
    assert [float(v) for v in program(2, 3, True)] == [6.0, 2.0]
    with pytest.raises(ad.DTypeError, match=r"'k' is int32"):
        program(2.0, 3.5, True)


def test_a_program_accepts_inputs_it_does_not_use():
    with ad.Graph():
        x, unused = ad.variable("x", (2,)), ad.variable("unused", (3,))
        program = ad.Program([unused, x], [x * 2])
    np.testing.assert_array_equal(program(np.ones(3), np.ones(2))[0], [2, 2])


def test_results_come_in_the_order_of_the_outputs_and_are_distinct():
    with ad.Graph():
        x = ad.variable("x", (2, 3))
        program = ad.Program([x], [x.T, x, x, x + 1, x.T])
    given = np.arange(6.0).reshape(2, 3)
    found = program(given)
    for array, expected in zip(found, [given.T, given, given, given + 1, given.T], strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.flags.writeable
        assert not np.shares_memory(array, given)
    for k, array in enumerate(found):
        assert not any(np.shares_memory(array, other) for other in found[k + 1:])


@pytest.mark.parametrize("size", [10, 100_000])
def test_ten_results_of_ten_calls_keep_their_values(size):
    program = tanh_program(size)
    found = [program(np.full(size, k / 10.0)) for k in range(10)]
    for k, (value, grad) in enumerate(found):
        again = program(np.full(size, k / 10.0))
        assert value.tobytes() == again[0].tobytes()
        assert grad.tobytes() == again[1].tobytes()


@pytest.mark.parametrize(("given", "error", "words"), [
    (np.zeros(4), ad.ShapeError, r"'x' has shape \(3,\), an array of shape \(4,\)"),
    (np.zeros((3, 1)), ad.ShapeError, r"shape \(3, 1\)"),
    (np.zeros(3, np.float32), ad.DTypeError, r"float64, an array of float32"),
    (np.zeros(3, int), ad.DTypeError, r"astype\(np.float64\)"),
    (np.zeros(3, object), ad.DTypeError, "object"),
    (np.array(["a", "b", "c"]), ad.DTypeError, "<U1"),
    (np.ma.zeros(3), ad.DTypeError, "MaskedArray"),
])
def test_what_does_not_fit_is_refused_by_name(given, error, words):
    with ad.Graph():
        x = ad.variable("x", (3,))
        program = ad.Program([x], [x * 2])
    with pytest.raises(error, match=words):
        program(given)
    np.testing.assert_array_equal(program(np.ones(3))[0], [2, 2, 2])


@pytest.mark.parametrize(("dtype", "within", "beyond"), [
    (np.int8, (127, -128), (128, -129, 300)),
    (np.uint8, (0, 255), (-1, 256)),
    (np.int64, (2**63 - 1, -2**63), (2**63,)),
    (np.uint64, (0, 7, 2**64 - 1), (-1,)),
])
def test_python_integers_fit_or_are_refused(dtype, within, beyond):
    with ad.Graph():
        program = ad.Program([x := ad.variable("x", (), dtype)], [np.maximum(x, x)])
        pair = ad.Program([x := ad.variable("x", 2, dtype)], [np.maximum(x, x)])
    for number in within:
        np.testing.assert_array_equal(program(number)[0], dtype(number), strict=True)
        np.testing.assert_array_equal(pair([number] * 2)[0], np.array([number] * 2, dtype))
    for number in beyond:
        with pytest.raises(ad.NumberError, match=rf"'x' is {np.dtype(dtype)}, {number} does not"):
            program(number)
        with pytest.raises(ad.NumberError, match="does not fit"):
            pair([number] * 2)


def test_a_variable_of_a_call_that_has_ended_has_lost_its_captured_arrays():
    known = []

    def f(x):
        known.extend((x, x * np.array([2.0, 3.0])))
        return known[1].sum()

    ad.grad(f)(np.ones(2))
    x, y = known
    with pytest.raises(ad.GraphError, match="captured by a call that has ended"):
        ad.Program([x], [y])(np.ones(2))
    with pytest.raises(ad.GraphError, match="captured by a call that has ended"):
        y.inputs[1].value  # noqa: B018


def test_a_variable_is_not_an_array():
    program = tanh_program(3)
    with pytest.raises(ad.ArgumentError, match="runs on arrays"):
        program(ad.variable("other", (3,)))


def test_the_wrong_number_of_arrays_is_said():
    with pytest.raises(ad.ArgumentError, match="takes 1 arrays, 2 were given"):
        tanh_program(3)(np.ones(3), np.ones(3))


@pytest.mark.parametrize(("captured", "words"), [
    ([], "1 arrays and 1 captured ones, 1 and 0 were given"),
    ([np.ones(3)] * 2, "1 and 2 were given"),
    ([np.ones(2)], r"float64 of shape \(3,\) in C order; array\(\[1., 1.\]\) was given"),
    ([np.ones(3, int)], "float64"),
    ([np.ones(6)[::2]], "C order"),
    ([[1.0] * 3], "C order"),
])
def test_captured_arrays_in_place_of_the_graphs_own_are_checked(captured, words):
    with ad.Graph():
        x = ad.variable("x", (3,))
        program = ad.Program([x], [np.tanh(x) + np.arange(3.0)])
    for run in (lambda given: program.run([np.zeros(3)], given),
                lambda given: program.run_profiled([np.zeros(3)], given, 1),
                lambda given: program.with_measured_costs([np.zeros(3)], given)):
        with pytest.raises(ad.ArgumentError, match=words):
            run(captured)
        run([np.full(3, 5.0)])
    np.testing.assert_array_equal(program.run([np.zeros(3)], [np.full(3, 5.0)])[0], [5, 5, 5])
    with pytest.raises(ad.ArgumentError, match="1 arrays and 1 captured ones, 0 and 1"):
        program.executable([], program.constants())


@pytest.mark.parametrize("given", [
    None, 1.0, np.zeros(2), np.zeros(3, np.float32), np.zeros(6)[::2], np.broadcast_to(0.0, 3)])
def test_an_executable_checks_its_arrays(given):
    with ad.Graph():
        x = ad.variable("x", (3,))
        program = ad.Program([x], [np.tanh(x)])
    strided = np.arange(6.0)[::2]
    np.testing.assert_array_equal(program(strided)[0], program(strided.copy())[0])
    with pytest.raises(ad.ArgumentError, match=r"argument 0 of a run is float64 of shape \(3,\)"):
        program.executable([given], [])
    with pytest.raises(ad.ArgumentError, match="made for it"):
        program.executable([np.zeros(3)], [], None, [np.zeros(3)])
    with pytest.raises(ad.AutodiffError, match="out="):
        program.plan.executable_out([np.zeros(3)], [], None, [given])


def test_a_record_is_one():
    program = tanh_program()
    for given in (None, 5):
        with pytest.raises(TypeError, match="record"):
            program.share_record(given)
    program(np.zeros(1000))
    assert program.measured_peak_bytes == program.peak_bytes


def test_an_output_that_depends_on_no_input_given_is_refused():
    with ad.Graph():
        x, y = ad.variable("x"), ad.variable("y")
        with pytest.raises(ad.GraphError, match="not among the inputs"):
            ad.Program([x], [x * y])


def test_a_graph_may_be_cut_at_any_variable():
    with ad.Graph():
        x = ad.variable("x")
        u = np.tanh(x)
        program = ad.Program([u], [u * u])
    assert program(3.0)[0] == 9.0


@pytest.mark.parametrize("policy", ["store", "recompute", "checkpoint"])
@pytest.mark.parametrize("n", [1, 7, 8, 1000, 20_000])
def test_measured_is_planned(n, policy):
    program = tanh_program(n, policy)
    assert program.measured_peak_bytes is None
    program(np.ones(n))
    assert program.measured_peak_bytes == program.peak_bytes == program.plan.peak_bytes
    assert program.plan.live_bytes <= program.peak_bytes


def test_a_strided_argument_is_packed_within_a_plan_of_its_own():
    program = tanh_program(1000)
    given = np.ones((1000, 2))[:, 0]
    found = program(given)
    plan = program.plan_for(given)
    assert program.measured_peak_bytes == plan.peak_bytes
    assert plan.evaluations["copy"] == 1
    assert "copy" not in program.plan.evaluations
    for one, other in zip(found, program(given.copy()), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_doctored_plan_is_seen_by_the_executor():
    """Measured means measured: steps that hold more than the problem says are noticed."""
    with ad.Graph() as graph:
        x = ad.variable("x", (1000,))
        y = np.tanh(np.tanh(np.tanh(x))).sum()
    regions = Regions(graph, [y], [x], fused=False)
    arrays = problem_arrays(regions)
    schedule = Store().schedule(Problem.from_arrays(**arrays))
    planned = schedule.peak_bytes
    honest = Executable(regions, schedule.steps, schedule.simulation.taken, arrays["workspace"])
    honest([np.ones(1000)], [])
    assert honest.measured_peak_bytes == planned
    nothing_taken = np.full(len(schedule.steps), -1, np.int32)
    doctored = Executable(regions, schedule.steps, nothing_taken, arrays["workspace"])
    doctored([np.ones(1000)], [])
    assert doctored.measured_peak_bytes > planned


def test_what_is_measured_belongs_to_the_thread():
    program = tanh_program()
    program(np.ones(1000))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(program.measured_peak_bytes))
    thread.start()
    thread.join()
    assert seen == [None]


def test_two_threads_run_one_program():
    program = tanh_program(50_000)
    given = [np.full(50_000, k / 7) for k in range(2)]
    expected = [program(x) for x in given]
    wrong = []

    def work(k):
        for _ in range(30):
            found = program(given[k])
            if any(a.tobytes() != b.tobytes() for a, b in zip(found, expected[k], strict=True)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_run_that_fails_in_the_middle_loses_nothing():
    with ad.Graph():
        x = ad.variable("x", (1000, 4))
        labels = ad.variable("labels", (1000,), np.int64)
        J = ad.nn.cross_entropy(np.tanh(x), labels)
        program = ad.Program([x, labels], [J, *ad.gradients(J, [x])])
    given, good, bad = np.ones((1000, 4)), np.zeros(1000, np.int64), np.zeros(1000, np.int64)
    bad[500] = 4
    expected = program(given, good)
    with pytest.raises(ad.IndexRangeError, match=r"cross_entropy.*label 4 .* 4 classes"):
        program(given, bad)
    for one, other in zip(program(given, good), expected, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_program_and_its_graph_are_collected():
    program = tanh_program()
    program(np.ones(1000))
    watched = weakref.ref(program), weakref.ref(program.graph)
    del program
    gc.collect()
    assert [w() for w in watched] == [None, None]


def test_a_large_result_does_not_keep_the_arena_alive():
    program = tanh_program(100_000)
    _, grad = program(np.ones(100_000))
    base = grad.base
    while getattr(base, "base", None) is not None:
        base = base.base
    assert type(base).__name__ == "Memory"
    value, _ = program(np.ones(100_000))
    assert value.base is None


def test_memory_that_cannot_be_had_is_named():
    with ad.Graph():
        x = ad.variable("x")
        y = np.exp(ad.numpy.broadcast_to(x, (1 << 23, 1 << 23))).sum()
        program = ad.Program([x], [y])
    with pytest.raises(ad.ArenaError, match=r"\d+ bytes"):
        program(1.0)
    assert isinstance(ad.ArenaError("x"), MemoryError)
    tanh_program()(np.ones(1000))


def test_programs_in_reference_cycles_are_collected():
    """A collector clears the attributes of what it frees, in any order, before it frees it."""
    for _ in range(20):
        program = tanh_program(10)
        ring = [program, program._executable, program._executable.regions, program.graph]
        ring.append(ring)
        program.ring = ring
        del program, ring
        gc.collect()


def test_many_stride_patterns_in_many_threads():
    program = tanh_program(8)
    expected = program(np.arange(8.0))[1].tobytes()
    wrong = []

    def work(seed):
        for gap in np.random.default_rng(seed).integers(2, 30, 40):
            room = np.zeros((8, gap))
            room[:, 0] = np.arange(8.0)
            try:
                if program(room[:, 0])[1].tobytes() != expected:
                    wrong.append(gap)
            except Exception as error:  # a thread's error would not fail the test by itself
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
