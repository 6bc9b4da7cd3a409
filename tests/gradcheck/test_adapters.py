"""What the adapters are made of: copies of objects, calls, gradients, shapes, drawn numbers."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import pytest

from mnist_cli.gradcheck.adapters import shapes
from mnist_cli.gradcheck.adapters.backwards import backward_slots
from mnist_cli.gradcheck.adapters.drawing import BATCH, FEATURES, Draw, Kind
from mnist_cli.gradcheck.adapters.forwards import Call, calls
from mnist_cli.gradcheck.adapters.gradients import Held, assigned, by_key, leaves, short
from mnist_cli.gradcheck.adapters.places import Place
from mnist_cli.gradcheck.adapters.reading import Slot
from mnist_cli.gradcheck.adapters.state import State
from mnist_cli.gradcheck.request import Request
from mnist_cli.gradcheck.user_code import UserCodeError


class Thing:
    """An object with attributes."""

    def __init__(self, **attributes: Any):
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> Any:  # for mypy
        raise AttributeError(name)


# ---- State: what an object holds, and copies of it


def test_all_arrays_of_floats_are_found_by_dotted_names() -> None:
    inner = Thing(W=np.ones((2, 2)))
    thing = Thing(
        b=np.zeros(3),
        params={"W1": np.ones((3, 2)), "name": "x"},
        layers=[inner, Thing(value=np.ones(1, np.float32))],
        indices=np.arange(3),
        mask=np.ones(2, bool),
        text="text",
        empty=np.zeros(0),
        gain=0.5,
        flag=True,
    )
    state = State(thing)
    assert set(state.arrays) == {"b", "params.W1", "layers.0.W", "layers.1.value"}
    assert state.numbers == {"gain": 0.5}
    assert state.places["layers.0.W"].get(thing) is inner.W


def test_slots_class_attributes_and_properties_are_looked_into() -> None:
    class WithSlots:
        __slots__ = ("W",)

        def __init__(self) -> None:
            self.W = np.ones(2)

    class OfClass:
        kernel = np.ones(3)

        def __init__(self) -> None:
            self._b = np.zeros(4)

        b = property(lambda self: self._b)

        @property
        def broken(self) -> Any:
            raise RuntimeError

    assert set(State(WithSlots()).arrays) == {"W"}
    state = State(OfClass())
    assert set(state.arrays) == {"kernel", "_b", "b"}
    assert state.twins("b") == state.twins("_b")


def test_what_refers_to_itself_is_looked_into_once() -> None:
    thing = Thing(W=np.ones(2))
    vars(thing).update(me=thing, all=[thing, {"again": thing}])
    assert set(State(thing).arrays) == {"W"}


def test_a_copy_has_the_new_arrays_and_the_thing_its_old_ones() -> None:
    thing = Thing(W=np.ones((2, 3)), b=np.zeros(3))
    copied = State(thing).copied({"W": np.full((2, 3), 7.0)})
    assert (copied.W == 7).all()
    assert (thing.W == 1).all()
    assert copied.b is not thing.b
    copied.b += 1
    assert not thing.b.any()


def test_a_copy_takes_complex_numbers() -> None:
    thing = Thing(W=np.ones((2, 3)))
    new = np.full((2, 3), 1 + 1e-100j)
    np.testing.assert_array_equal(State(thing).copied({"W": new}).W, new)


def test_views_see_what_is_put_into_the_array_that_they_are_of() -> None:
    theta = np.arange(8.0)
    thing = Thing(theta=theta, W=theta[:6].reshape(2, 3), b=theta[6:], turned=theta[:6:2])
    state = State(thing)
    new = np.arange(8.0) + 1e-100j
    copied = state.copied({"theta": new})
    np.testing.assert_array_equal(copied.W, new[:6].reshape(2, 3))
    np.testing.assert_array_equal(copied.turned, new[:6:2])
    assert np.shares_memory(copied.theta, copied.b)
    copied = state.copied({"W": np.full((2, 3), -1.0)})
    np.testing.assert_array_equal(copied.theta, [-1] * 6 + [6, 7])
    assert "theta" in state.group("b")


def test_a_transpose_is_the_same_array_turned() -> None:
    W = np.arange(6.0).reshape(2, 3)
    thing = Thing(W=W, turned=W.T)
    copied = State(thing).copied({"W": 10 * W})
    np.testing.assert_array_equal(copied.turned, 10 * W.T)
    assert np.shares_memory(copied.W, copied.turned)
    assert State(thing).twins("W") == ["W"]
    assert set(State(thing).group("W")) == {"W", "turned"}


def test_two_names_of_one_array_are_twins_and_stay_so() -> None:
    W = np.ones((2, 3))
    thing = Thing(W=W, params=[W, np.zeros(3)])
    state = State(thing)
    assert state.twins("W") == ["W", "params.0"]
    copied = state.copied({"params.0": np.full((2, 3), 5.0)})
    assert copied.params[0] is copied.W
    assert (copied.W == 5).all()


def test_what_functions_remember_is_copied_and_replaced_too() -> None:
    W = np.ones((2, 2))
    kept: dict[str, Any] = {}

    def forward(x: Any) -> Any:
        kept["x"] = x
        return x @ W

    def backward(dout: Any) -> Any:
        return kept["x"].T @ dout

    thing = Thing(forward=forward, backward=backward, W=W)
    copied = State(thing).copied({"W": np.full((2, 2), 3.0)})
    x = np.eye(2)
    np.testing.assert_array_equal(copied.forward(x), np.full((2, 2), 3.0))
    np.testing.assert_array_equal(copied.backward(np.ones((2, 2))), np.ones((2, 2)))
    assert kept == {}, "the copy's functions have a dictionary of their own"


def test_numbers_in_a_tuple_are_none_that_can_be_replaced() -> None:
    thing = Thing(shape=(3, 6.0), factor=2.0)
    assert State(thing).numbers == {"factor": 2.0}
    assert State(thing).copied({"factor": np.array(3.0)}).shape == (3, 6.0)


def test_numbers_are_replaced_as_well() -> None:
    thing = Thing(gain=0.5, inner=Thing(shift=1.0))
    copied = State(thing).copied({"gain": np.array(2.0), "inner.shift": np.array(3 + 1j)})
    assert (copied.gain, copied.inner.shift) == (2.0, 3 + 1j)
    assert (thing.gain, thing.inner.shift) == (0.5, 1.0)


def test_what_cannot_be_copied_is_one_sentence() -> None:
    with pytest.raises(UserCodeError, match=r"cannot be copied .*pickle"):
        State(Thing(lock=Lock())).copied()


def test_a_place_is_read_and_written() -> None:
    thing = Thing(layers=[{"W": 1}])
    place = Place(("layers", (0,), ("W",)))
    assert (place.name, place.leaf, place.get(thing)) == ("layers.0.W", "W", 1)
    place.set(thing, 2)
    assert thing.layers == [{"W": 2}]
    assert Place(("nothing", (3,))).get(thing) is None


# ---- signature: how a forward and a backward are called


def first_call(function: Callable[..., Any], **request: Any) -> Call:
    return next(calls(function, Request(**request)))


def roles(slots: tuple[Slot, ...]) -> list[str]:
    return [slot.name if slot.role == "data" else slot.role for slot in slots]


@pytest.mark.parametrize(
    ("function", "expected", "labels"),
    [
        (lambda x: x, ["x"], None),
        (lambda x, t: x, ["x", "labels"], "t"),
        (lambda y_true, y_pred: 0, ["labels", "y_pred"], "y_true"),
        (lambda predictions, labels: 0, ["predictions", "labels"], "labels"),
        (lambda x1, x2: x1, ["x1", "x2"], None),
        (lambda a, b: a, ["a", "b"], None),
        (lambda x, w, b: x, ["x", "w", "b"], None),
        (lambda W, X, y: 0, ["W", "X", "labels"], "y"),
        (lambda x, training: x, ["x", "literal"], None),
        (lambda x, axis=-1: x, ["x"], None),
        (lambda X, y=None: 0, ["X", "labels"], "y"),
    ],
)
def test_an_argument_is_given_what_its_name_says(
    function: Callable[..., Any], expected: list[str], labels: str | None
) -> None:
    call = first_call(function)
    assert roles(call.slots) == expected
    assert call.labels == labels


def test_a_regulariser_is_not_0_so_that_its_gradient_shows() -> None:
    slot = first_call(lambda W, X, y, reg: 0).slots[-1]
    assert (slot.role, slot.value) == ("literal", 0.1)
    slot = first_call(lambda W, X, y, reg=0.0: 0).slots[-1]
    assert (slot.role, slot.value) == ("literal", 0.1)


def test_a_number_that_is_given_is_an_array_and_a_text_is_not() -> None:
    call = first_call(lambda x, slope, mode: x, arguments={"slope": 0.3, "mode": "train"})
    assert [slot.role for slot in call.slots] == ["data", "data", "literal"]
    assert call.arrays == ("x", "slope")
    assert call.known["slope"].given == 0.3


def test_an_argument_with_a_default_is_an_array_where_it_has_a_shape() -> None:
    def f(x: Any, mode: str = "a", scale: Any = None) -> Any:
        return x

    assert first_call(f).arrays == ("x",)
    ways = list(calls(f, Request(shapes={"scale": (3,)})))
    assert ("x", "scale") in [call.arrays for call in ways]
    assert all([slot.keyword for slot in call.slots] == [None, "scale"] for call in ways)


def test_what_has_no_value_is_the_files_own_variable() -> None:
    module = {"params": {"W1": np.ones((3, 2)), "name": "x"}}
    call = next(calls(lambda params, x: x, Request(), module))
    assert call.slots[0].role == "packed"
    assert call.slots[0].parts == (("W1", "params.W1"),)
    assert "params.W1" in call.arrays
    shaped = next(calls(lambda inputs: 0, Request(shapes={"inputs.0": (5, 4), "inputs.1": (4,)})))
    assert shaped.slots[0].value == [None, None]
    assert shaped.slots[0].parts == ((0, "inputs.0"), (1, "inputs.1"))


FORWARD = Call((Slot("data", "x"),), ("x",), names=frozenset({"x"}))
LOSS = Call((Slot("data", "x"), Slot("labels", "t")), ("x",), "t", names=frozenset({"x", "t"}))


@pytest.mark.parametrize(
    ("function", "call", "expected"),
    [
        (lambda dout: 0, FORWARD, ["dout"]),
        (lambda whatever: 0, FORWARD, ["dout"]),
        (lambda output_gradient, learning_rate: 0, FORWARD, ["dout", "rate"]),
        (lambda grad, lr=0.1: 0, FORWARD, ["dout", "rate"]),
        (lambda dout, cache: 0, FORWARD, ["dout", "cache"]),
        (lambda cache, dout: 0, FORWARD, ["cache", "dout"]),
        (lambda x, grad: 0, FORWARD, ["x", "dout"]),
        (lambda dout, training: 0, FORWARD, ["dout", "literal"]),
        (lambda grad, out: 0, FORWARD, ["dout", "out"]),
        (lambda: 0, LOSS, []),
        (lambda dout=1: 0, LOSS, ["dout"]),
        (lambda pred, true: 0, LOSS, ["x", "labels"]),
        (lambda y_true, y_pred: 0, LOSS, ["labels", "x"]),
        (lambda x, t: 0, LOSS, ["x", "labels"]),
    ],
)
def test_what_backwards_arguments_are_called_decides_what_they_get(
    function: Callable[..., Any], call: Call, expected: list[str]
) -> None:
    slots = next(backward_slots(function, call, Request(), is_derivative=False))
    assert roles(slots) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: 0, ["x"]),
        (lambda z: 0, ["x"]),
        (lambda out: 0, ["out"]),
        (lambda output: 0, ["out"]),
        (lambda y: 0, ["out"]),
        (lambda s: 0, ["out"]),
        (lambda dout: 0, ["dout"]),
    ],
)
def test_a_derivative_is_given_the_output_where_its_argument_is_called_so(
    function: Callable[..., Any], expected: list[str]
) -> None:
    slots = next(backward_slots(function, FORWARD, Request(), is_derivative=True))
    assert roles(slots) == expected


# ---- gradients: where they are


def test_what_is_returned_is_taken_apart_in_order() -> None:
    dx, dW, db = np.ones((5, 4)), np.ones((4, 3)), np.ones(3)
    assert [key for key, _ in leaves((dx, [dW, db]))] == [None, None, None]
    assert [key for key, _ in leaves((dx, {"W": dW, "b": db}))] == [None, "W", "b"]
    assert [key for key, _ in leaves({"l1": {"W": dW}})] == ["l1.W"]
    assert leaves(None) == []
    assert leaves(("text", None)) == []
    (only,) = leaves(Thing(data=dx))
    assert only[1] is dx


def test_a_list_of_the_shape_of_what_went_in_is_one_array() -> None:
    rows = [[1.0, 2.0], [3.0, 4.0]]
    assert len(leaves(rows, [(2, 2)])) == 1
    assert len(leaves([np.ones(2), np.ones(2)], [(2, 2)])) == 1
    assert len(leaves([np.ones(2), np.ones(2)], [(2,)])) == 2


def test_gradients_are_assigned_by_key_then_order_then_shape() -> None:
    dx, dW, db = np.ones((5, 4)), np.ones((4, 3)), np.ones(3)
    expected = {"x": (5, 4), "W": (4, 3), "b": (3,)}
    for returned in (
        [(None, dx), (None, dW), (None, db)],
        [("db", db), ("dW", dW), ("dx", dx)],
        [(None, dx), ("b", db), ("W_grad", dW)],
    ):
        found = assigned(returned, expected)
        assert found["x"] is dx
        assert found["W"] is dW
        assert found["b"] is db
    assert set(assigned([(None, dx)], expected)) == {"x"}
    assert assigned([(None, db), (None, dW), (None, dx)], expected, ("b", "W", "x"))["b"] is db


def test_two_arguments_that_are_exchanged_stay_so() -> None:
    """It is a mistake, and no other order."""
    da, db = np.ones((5, 4)), np.ones((5, 3))
    found = assigned([(None, db), (None, da)], {"a": (5, 4), "b": (5, 3)})
    assert found["a"] is db


def test_parameters_that_an_object_holds_may_come_in_any_order() -> None:
    dx, dW, db = np.ones((5, 4)), np.ones((4, 3)), np.ones(3)
    expected = {"x": (5, 4), "W": (4, 3), "b": (3,)}
    found = assigned([(None, dx), (None, db), (None, dW)], expected, None, ("W", "b"))
    assert found["W"] is dW


@pytest.mark.parametrize(
    "key", ["W", "dW", "W_grad", "grad_W", "dLdW", "gradW", "weights", "d_weights"]
)
def test_a_key_means_the_array_that_it_is_called_after(key: str) -> None:
    expected = {"x": (5, 4), "W": (4, 3), "b": (3,)}
    assert by_key(key, expected, (4, 3)) == "W"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W", "W"),
        ("params.W1", "W1"),
        ("params.W", "W"),
        ("params.w", "w"),
        ("params.v", "v"),
        ("w.value", "w"),
        ("layers.0.W", "layers.0.W"),
        ("params.0", "params.0"),
        ("layers.0.weight.data", "layers.0.weight"),
    ],
)
def test_a_dictionary_of_parameters_and_an_object_of_one_are_left_out_of_a_name(
    name: str, expected: str
) -> None:
    assert short(name) == expected


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({"W": 0, "dW": 1}, ("W",)),
        ({"W": 0, "W_grad": 1}, ("W",)),
        ({"weights": 0, "d_weights": 1, "dinputs": 2}, ("weights",)),
        ({"params": {"W": 0}, "grads": {"W": 1}}, ("params", ("W",))),
        ({"params": {"W": 0}, "grads": {"dW": 1}}, ("params", ("W",))),
        ({"params": [0], "grads": [1]}, ("params", (0,))),
        ({"W": 0, "gradients": {"W": 1}}, ("W",)),
        ({"w": Thing(value=0, grad=1)}, ("w", "value")),
    ],
)
def test_the_gradient_that_an_object_holds_is_found_beside_the_parameter(
    attributes: dict[str, Any], place: tuple[Any, ...]
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        if isinstance(value, Thing):
            return Thing(**filled(vars(value)))
        return np.full((2, 3), float(value))

    gradient = Held(Thing(**filled(attributes))).of([Place(place)], (2, 3))
    assert gradient is not None
    assert (gradient == 1).all()


def test_an_array_that_has_no_gradient_beside_it_has_none() -> None:
    held = Held(Thing(W=np.ones((2, 3)), b=np.ones(3), db=np.zeros(3)))
    assert held.of([Place(("W",))], (2, 3)) is None


# ---- drawing, and shapes


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("normal", lambda a: (a < 0).any() and (a > 0).any()),
        ("positive", lambda a: (a >= 0.5).all()),
        ("unit", lambda a: (a > 0).all() and (a < 1).all()),
        ("probabilities", lambda a: (a > 0).all() and np.allclose(a.sum(axis=1), 1)),
        ("onehot", lambda a: (a.sum(axis=1) == 1).all() and set(a.ravel()) == {0, 1}),
        ("soft", lambda a: (a > 0).all() and np.allclose(a.sum(axis=1), 1)),
        ("bits", lambda a: set(a.ravel()) == {0, 1}),
        ("signs", lambda a: set(a.ravel()) == {-1, 1}),
    ],
)
def test_numbers_are_drawn_in_their_kind(
    kind: Kind, holds: Callable[[Any], bool], rng: np.random.Generator
) -> None:
    array = Draw((8, 4), kind).sample(rng)
    assert array.shape == (8, 4)
    assert array.dtype == np.float64
    assert holds(array)


def test_rows_that_lie_in_columns_are_drawn_so(rng: np.random.Generator) -> None:
    kinds: list[Kind] = ["probabilities", "onehot", "soft"]
    for kind in kinds:
        array = Draw((4, 8), kind, axis=-1).sample(rng)
        np.testing.assert_allclose(array.sum(axis=0), 1)


def test_indices_are_of_the_classes_that_there_are(rng: np.random.Generator) -> None:
    array = Draw((50,), "index", classes=3).sample(rng)
    assert set(array) == {0, 1, 2}
    assert array.dtype.kind == "i"


def test_another_number_of_examples_is_drawn_along_their_axis(rng: np.random.Generator) -> None:
    assert Draw((6, 4)).resized(3).sample(rng).shape == (3, 4)
    assert Draw((4, 6), axis=-1).resized(3).sample(rng).shape == (4, 3)
    assert Draw((4, 3), axis=None).resized(9).sample(rng).shape == (4, 3)
    given = np.arange(12.0).reshape(6, 2)
    rows = Draw((6, 2), "given", given=given).resized(3).sample(rng)
    assert all((row == given).all(axis=1).any() for row in rows)


def test_the_batch_is_no_size_that_the_code_has_and_not_5() -> None:
    assert shapes.batch_size([]) == BATCH == 6
    assert shapes.batch_size([(6, 7), (8,)]) == 9
    assert shapes.batch_size([(9, 8), (7, 6)]) not in {5, 6, 7, 8, 9, FEATURES}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"W": (4, 3), "b": (3,)}, (6, 4)),
        ({"gain": (7,), "shift": (7,)}, (6, 7)),
        ({}, (6, 10)),
        ({"W1": (8, 5), "W2": (5, 3)}, (6, 8)),
        ({"W": (7, 6)}, (8, 7)),
    ],
)
def test_the_likeliest_input_fits_the_weights(
    held: dict[str, tuple[int, ...]], expected: tuple[int, ...]
) -> None:
    state = State(Thing(**{name: np.ones(shape) for name, shape in held.items()}))
    draws = next(shapes.inputs(["x"], state, Request()))
    assert draws["x"].shape == expected
    assert draws["x"].axis == 0


def test_of_columns_the_features_are_down() -> None:
    state = State(Thing(W=np.ones((3, 4))))
    tried = [draws["x"] for draws in shapes.inputs(["x"], state, Request(columns=True))]
    assert {draw.shape[1] for draw in tried} == {6}
    assert (4, 6) in [draw.shape for draw in tried]
    assert {draw.axis for draw in tried} == {-1}


def test_weights_that_are_arguments_fit_one_another() -> None:
    draws = next(shapes.inputs(["x", "w", "b"], State(None), Request()))
    x, w, b = (draws[name].shape for name in ("x", "w", "b"))
    assert x[1] == w[0]
    assert b == (w[1],)
    assert draws["w"].is_parameter
    assert not draws["x"].is_parameter


@pytest.mark.parametrize(
    ("shape", "columns", "axis"),
    [
        ((6, 4), False, 0),
        ((4, 6), True, -1),
        ((7,), False, None),
        ((7, 1), False, None),
        ((1, 7), False, None),
        ((7, 1), True, -1),
        ((2, 3, 4, 4), False, 0),
    ],
)
def test_a_shape_that_is_asked_for_is_taken_as_it_is(
    shape: tuple[int, ...], columns: bool, axis: int | None
) -> None:
    request = Request(shapes={"": shape}, columns=columns)
    (draws,) = shapes.inputs(["x"], State(None), request)
    assert draws["x"].shape == shape
    assert draws["x"].axis == axis
