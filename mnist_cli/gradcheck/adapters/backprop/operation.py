"""A network with its loss, as an operation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mnist_cli.gradcheck.adapters.backprop.collecting import collected
from mnist_cli.gradcheck.adapters.backprop.costs import Loss
from mnist_cli.gradcheck.adapters.backprop.network import Network, first_array
from mnist_cli.gradcheck.adapters.drawing import Draw
from mnist_cli.gradcheck.adapters.drawn import DrawnOperation
from mnist_cli.gradcheck.adapters.optimisers import STEP
from mnist_cli.gradcheck.operation import Array, Arrays, Session, Upstream
from mnist_cli.gradcheck.point import copies
from mnist_cli.gradcheck.user_code import UserCodeError, call


class NetworkSession(Session):
    """A copy of the network with some parameters, and examples to give it."""

    def __init__(self, operation: NetworkOperation, arrays: Arrays, labels: Array | None):
        self.operation, self.arrays, self.labels = operation, dict(arrays), labels
        network = operation.network
        inside = {name: arrays[name] for name in operation.parameters}
        if network.held:
            inside[network.held[0]] = arrays["x"]
        self.worker = network.state.copied(inside)
        self._take_live()

    def _take_live(self) -> None:
        for name in self.operation.parameters:
            value = self.operation.network.state.places[name].get(self.worker)
            if isinstance(value, np.ndarray):
                self.arrays[name] = value

    def given(self) -> tuple[Array, Array]:
        """Return the examples and labels, put where the network holds them."""
        x, y = self.arrays["x"], self.labels
        assert y is not None
        held = self.operation.network.held
        if held:
            places = self.operation.network.state.places
            places[held[0]].set(self.worker, x)
            places[held[1]].set(self.worker, y)
        return x, y

    def forward(self) -> Array:
        """Return the loss; or the output, where there is but the derivative of a loss."""
        loss, network = self.operation.loss, self.operation.network
        x, y = self.given()
        out = network.ahead(self.worker, x)[0] if loss.needs_output else None
        if out is None or not loss.is_slope:
            out = first_array(loss.value(self.worker, x, y, out))
        self._take_live()
        return out

    def backward(self, dout: Array) -> Arrays:
        """Go back from the labels, and collect the gradients of the parameters.

        The gradients that the code gives are those of its loss, whatever comes from above.
        """
        network = self.operation.network
        x, y = self.given()
        out, results = network.ahead(self.worker, x) if network.forward else (None, {})
        before = copies({n: self.arrays[n] for n in self.operation.parameters})
        axis = self.operation.batch_axis
        given = {
            **results,
            "x": x,
            "labels": y,
            "out": out,
            "count": 1 if axis is None else x.shape[axis],
            "rate": STEP,
        }
        result = call(getattr(self.worker, network.back), *(given[r] for r in network.roles))
        self._take_live()
        # Where all is saturated, an update moves nothing: then the gradient is 0.
        moved = [
            name
            for name, old in before.items()
            if name in self.operation.by_update or not np.array_equal(self.arrays[name], old)
        ]
        found = collected(result, self.worker, network.state, before, moved)
        for name in moved:
            if name not in found:
                found[name] = (before[name] - self.arrays[name]) / self.rate
                self.operation.by_update.add(name)
        return found

    @property
    def rate(self) -> float:
        """The learning rate of an update: what was given, or the network's own, or 1."""
        if "rate" in self.operation.network.roles:
            return STEP
        return self.operation.network.state.rate or 1.0


class NetworkOperation(DrawnOperation):
    """A network with its loss.

    Attributes
    ----------
    network : Network
    loss : Loss
    parameters : tuple of str
    by_update : set of str
        The parameters whose gradient is told by how backward moved them.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        x: Draw,
        y: Draw,
        parameters: Sequence[str],
        seed: int,
    ):
        arrays = network.state.arrays
        super().__init__(
            {"x": x},
            np.random.default_rng(seed),
            at={name: np.array(arrays[name], np.float64) for name in parameters},
            label_draw=y,
            kind="network",
            takes_dout=False,
            exempt=frozenset({"x"}),
        )
        self.network, self.loss = network, loss
        self.parameters = tuple(parameters)
        self.by_update: set[str] = set()
        if loss.is_assumed:
            self.remarks = [f"no loss is written in the code: {loss.name} was assumed"]
        elif loss.is_slope:
            self.remarks = [f"no loss is written in the code, but its derivative {loss.name}"]
        elif loss.function:
            self.remarks = [f"The gradients are taken for those of {loss.name}."]
            self.uses = (loss.function,)

    def open(self, arrays: Arrays, labels: Array | None = None) -> NetworkSession:
        """Return a session with a fresh copy of the network."""
        if labels is None and self.labels is not None:
            labels = self.labels.copy()
        return NetworkSession(self, arrays, labels)

    def upstreams(self, out: Array, rng: np.random.Generator) -> list[Upstream]:
        """Return the derivative of the loss, where only that is written; else ones."""
        if not self.loss.is_slope:
            return super().upstreams(out, rng)
        session = self.open(copies(self.at))
        x, y = session.given()
        slope = first_array(self.loss.value(session.worker, x, y, np.array(out)))
        if slope.shape != out.shape:
            raise UserCodeError(
                f"{self.loss.name} has the shape {slope.shape}, and the output {out.shape}."
            )
        return [Upstream(np.array(slope, np.float64))]
