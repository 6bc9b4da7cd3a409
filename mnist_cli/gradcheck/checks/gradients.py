"""The rows of the gradients: each is compared, and what has none is named."""

from __future__ import annotations

from collections.abc import Iterator

from mnist_cli.gradcheck.checks.inspection import Inspection, of_comparison, skipped
from mnist_cli.gradcheck.diagnosis import diagnose
from mnist_cli.gradcheck.evidence import Evidence
from mnist_cli.gradcheck.mistakes.behaviour import not_checked as no_gradient
from mnist_cli.gradcheck.mistakes.behaviour import overwrites
from mnist_cli.gradcheck.result import Check


def gradients(found: Inspection) -> Iterator[Check]:
    """Compare the gradient to each array, and name those that have none."""
    point, operation = found.point, found.operation
    for name in found.names:
        comparison = point.compare(name, found.tolerance)
        is_jacobian = point.jacobian is not None and name in operation.data
        if comparison.passed and name in point.second:
            comparison = point.compare(name, found.tolerance, second=True)
            found.remarks.append(
                f"backward gives the gradient to {found.label(name)} twice, and the two differ: it "
                "is returned and kept, or kept under two names."
            )
        diagnosis = None
        if not comparison.passed:
            diagnosis = diagnose(Evidence(point, name, comparison))
            if diagnosis.name == "unknown" and ("forward", name) in point.written:
                is_parameter = name not in operation.data
                diagnosis = overwrites("forward", found.label(name), is_parameter=is_parameter)
        elif is_jacobian:
            comparison = point.compare_jacobian(name, found.tolerance)
        notes = [operation.methods.get(name, ""), point.meaning]
        yield of_comparison(
            comparison,
            row_name(found, name),
            formula(found, name),
            method="".join(f", {note}" for note in notes if note),
            diagnosis=diagnosis,
            argument=found.label(name),
        )
    if point.meaning:
        found.remarks.append(
            f"forward gives a loss for each example; the gradients are those {point.meaning}."
        )
    for name in point.computed:
        if found.is_left_out(name):
            label = found.label(name)
            yield skipped(f"to {label}", formula(found, name), "left out by --skip")
    yield from not_checked(found)


def row_name(found: Inspection, name: str) -> str:
    """Return what the row of a gradient is called."""
    if found.point.jacobian is not None and name in found.operation.data:
        return f"Jacobian to {found.label(name)}"
    if found.operation.kind == "activation" and name in found.operation.data:
        return "elementwise derivative"
    return f"to {found.label(name)}"


def formula(found: Inspection, name: str) -> str:
    """Return what the gradient to an array is."""
    label, operation = found.label(name), found.operation
    if found.point.jacobian is not None and name in operation.data:
        return f"J_ij = ∂out_i/∂{label}_j"
    if operation.kind == "activation":
        return f"d{label} = dout·f′({label})"
    if found.point.out.size == 1 or found.point.meaning:
        dout = "dout·" if operation.takes_dout else ""
        return f"d{label} = {dout}∂loss/∂{label}"
    return f"d{label} = Σ dout·∂out/∂{label}"


def not_checked(found: Inspection) -> Iterator[Check]:
    """Yield a row for each array that moves the output, and has no gradient that was compared."""
    point, operation = found.point, found.operation
    exempt = []
    for name in operation.at:
        if name in found.names or found.is_left_out(name) or not point.is_felt(name):
            continue
        label = found.label(name)
        if name in operation.exempt or {name, label} & found.request.constants:
            exempt.append(label)
            continue
        yield Check(
            f"to {label}",
            formula(found, name),
            f"no gradient of {label} was found",
            0,
            None,
            False,
            no_gradient(label),
            argument=label,
        )
    if exempt:
        exempt += operation.labels_names
        found.remarks.append(f"not differentiated: {', '.join(exempt)}")
