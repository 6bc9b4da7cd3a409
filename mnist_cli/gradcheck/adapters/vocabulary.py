"""What people call things: the names of methods, of arguments, and of gradients."""

from __future__ import annotations

import re
from functools import cache

PASSES = (
    *(
        "forward",
        "fprop",
        "fwd",
        "forward_pass",
        "forward_prop",
        "forward_propagation",
        "forward_propagate",
    ),
    *("forwards", "feedforward", "feed_forward", "propagate_forward", "__call__"),
)
"""What a forward is called, whatever it belongs to."""
FORWARDS = (
    *PASSES[:-1],
    *("activate", "compute_loss"),
    *("loss", "cost", "fn", "f", "function", "activation", "call", "compute", "apply"),
    *("calculate", "eval", "evaluate", "output", "value", "fun", "func", "__call__"),
)
BACKWARDS = (
    *("backward", "bprop", "bwd", "backprop", "backward_pass", "back_propagate", "backpropagate"),
    *("backwards", "back_propagation", "backpropagation", "backward_prop", "back_prop", "back"),
    *("backward_propagation", "propagate_backward", "_backward", "_back"),
)
DERIVATIVES = (
    *(
        "gradient",
        "derivative",
        "grad",
        "prime",
        "deriv",
        "gradients",
        "d",
        "df",
        "dfn",
        "fn_deriv",
    ),
    *("f_prime", "activation_prime", "activation_derivative", "loss_prime", "loss_gradient"),
    *("loss_derivative", "loss_grad", "backward_activation", "get_gradient", "calc_gradient"),
    *("delta", "compute_gradient", "diff", "df_dx", "jacobian", "input_grad", "compute_grad"),
    *("function_derivative", "grad_input", "calculate_gradient", "first_derivative"),
)
ACTIVATIONS = (
    *("activation", "activate", "f"),
    *("activation_prime", "activation_derivative", "backward_activation", "f_prime", "df"),
)
"""What a layer or a network calls the activation that it uses, and the derivative of that."""

DOUT = {
    *("dout", "grad", "gradient", "grads", "outputgradient", "outputgrad", "delta", "dvalues"),
    *(
        "upstream",
        "gradoutput",
        "gradoutputs",
        "dy",
        "dz",
        "da",
        "dh",
        "dl",
        "error",
        "outputerror",
    ),
    *("outgrad", "accumgrad", "dldy", "dldout", "dldz", "dlda", "g", "gout", "err", "doutput"),
    *("doutputs", "upstreamgradient", "upstreamgrad", "gradientoutput", "gradout", "topdiff"),
    *("dnext", "errors", "deltas", "outgradient", "gradients", "dvalue", "djdz", "nextgrad"),
    *("prevgrad", "previousgradient", "gradabove", "gradfromabove", "incoming", "douts", "dloss"),
    *("lossgradient", "lossgrad", "backgrad", "gy", "dyhat", "dprev", "dacts", "eta0", "dldo"),
    *("inputgradient", "ingrad", "gradin", "gradinput"),
}
RATE = {"learningrate", "lr", "eta", "alpha", "rate", "stepsize", "learnrate", "epsilonlr"}
AMBIGUOUS_RATES = {"alpha", "rate"}
"""Of these, what may be a slope as well, or the share that a dropout leaves out."""
MOMENTA = {"momentum", "mom", "mu", "beta", "gamma", "rho", "decay", "friction", "dampening"}
"""Factors of what an update remembers, and of nothing in the first one."""
STRENGTHS = {
    *("reg", "lambd", "lambda", "l2", "regstrength", "regularization", "weightdecay", "lam"),
    *("l2reg", "regl2", "lmbda", "regularisation", "regrate", "wd"),
}
"""Factors of a regulariser."""
OPTIMISERS = {"optimizer", "optimiser", "opt", "optim", "updater", "solver"}
"""Arguments that are given a parameter with its gradient, and return the next parameter."""
INPUT = {
    "x",
    "z",
    "a",
    "input",
    "inputs",
    "inp",
    "data",
    "v",
    "vec",
    "arr",
    "matrix",
    "logits",
    "u",
}
OUTPUT = {
    *("out", "output", "outputs", "y", "s", "a", "yhat", "activated", "activation", "fx"),
    *("forward", "forwardoutput", "fout", "activations"),
}
CACHE = {"cache", "ctx", "context", "caches", "memory", "saved"}
FLAG = {
    "training",
    "train",
    "istraining",
    "trainflg",
    "trainflag",
    "istrain",
    "trainmode",
    "iftrain",
}
LABELS = {
    *("t", "y", "label", "labels", "target", "targets", "ytrue", "truth", "true", "actual"),
    *("expected", "gt", "groundtruth", "ground", "classes", "desired", "correct", "teacher"),
    *("onehot", "ts", "ys", "yi", "targ", "tgt", "yt", "truth", "reference", "answer"),
}
TRUTH = ("true", "truth", "target", "label", "actual", "expected", "desired", "correct")
"""What is in the names of labels."""
GUESSES = ("hat", "pred", "prob", "logit", "score", "out", "guess", "estim")
"""What is in the names of a network's outputs."""
INPUT_GRADIENTS = (
    *("dinputs", "dx", "dinput", "dX", "d_input", "d_inputs", "input_gradient", "input_grad"),
    *("grad_input", "grad_x", "x_grad", "gradient", "grad", "dZ", "dz", "gradients", "delta"),
    *(
        "gradient_wrt_input",
        "grad_wrt_input",
        "inputs_gradient",
        "local_gradient",
        "local_grad",
        "dA_prev",
        "dvalues",
    ),
)
"""Where a backward that returns nothing leaves the gradient to its input."""
OUTPUTS = ("output", "out", "value", "outputs", "loss", "a", "y", "result", "activations")
"""Where a forward that returns nothing leaves its output."""
CLEARING = (
    *("zero_gradients", "zero_grad", "zero_grads", "clear_gradients", "clear_grads"),
    *("flush_gradients", "reset_gradients", "reset_grads", "clear_gradient", "flush", "reset_grad"),
    *("clear", "zerograd", "reset_gradient", "clear_grad", "zero_gradient", "cleargrads"),
)
UPDATING = (
    "update",
    "step",
    "get_update",
    "calculate_update",
    "update_weights",
    "apply",
    "optimize",
)
"""Methods of an optimiser that is given a parameter and its gradient."""
VALUE_LEAVES = {
    *("value", "data", "val", "w", "array", "values", "param", "params", "weights", "v", "tensor"),
}
GRADIENT_LEAVES = {"grad", "g", "gradient", "d", "diff", "dvalue", "grads", "delta", "deriv"}
"""What an object that is a parameter calls its numbers, and their gradient."""
CONTAINERS = {
    *("params", "parameters", "param", "weights", "trainableparams", "learnableparams", "theta"),
    *("model", "trainables", "variables", "parametersdict", "paramsdict", "trainableweights"),
    "paramsvalues",
}
"""Dictionaries and lists of parameters, whose name is left out of theirs."""

STEMS = (("w", "weight", "weights", "kernel"), ("b", "bias", "biases", "intercept"))
"""Names of one thing."""


NO_PARAMETERS = (RATE - {"alpha"}) | {"eps", "epsilon", "momentum", "tol", "seed", "decay"}
"""What numbers are called that an object holds, and that are no parameters."""


def plain(name: str) -> str:
    """Return a name in small letters, without underscores, and without its class, as of ``__w``."""
    return re.sub(r"^_\w+?__(?=\w)", "", name).replace("_", "").lower()


def is_named(name: str, names: set[str]) -> bool:
    """Return whether a name, with a number at its end or without, is one of some names."""
    short = plain(name)
    return short in names or short.rstrip("0123456789") in names


def is_dout(name: str) -> bool:
    """Return whether an argument is called as a gradient from above is."""
    return is_named(name, DOUT) or has_part(plain(name), ("grad", "upstream", "delta", "error"))


def has_part(name: str, parts: tuple[str, ...]) -> bool:
    """Return whether one of the parts is in a name."""
    return any(part in name.lower() for part in parts)


def is_label(name: str) -> bool:
    """Return whether an argument is called as labels are."""
    return is_named(name, LABELS) or has_part(name, TRUTH)


def is_guess(name: str) -> bool:
    """Return whether an argument is called as a network's outputs are."""
    return has_part(name, GUESSES)


def is_input(name: str) -> bool:
    """Return whether an argument is called as an input is: of a layer, or of a loss."""
    return is_named(name, INPUT) or is_guess(name)


def stems(leaf: str) -> set[str]:
    """Return the plain names of what a parameter's name means: ``w1`` for ``weights_1``."""
    short = plain(leaf).lstrip("0123456789") or plain(leaf)
    found = {short}
    match = re.fullmatch(r"([a-z]+)(\d*)", short)
    if match:
        word, number = match.groups()
        for alike in STEMS:
            if word in alike:
                found |= {other + number for other in alike}
    return found


GRADIENT_FORMS = (
    *("d{}", "grad{}", "{}grad", "{}gradient", "gradient{}", "dld{}", "dlossd{}"),
    *("djd{}", "ded{}", "dcd{}", "{}grads", "grads{}", "gradients{}", "{}gradients"),
    *("gradientwrt{}", "gradwrt{}"),
)
"""What the gradient of a parameter is called, and nothing else."""
OTHER_FORMS = ("delta{}", "{}delta", "nabla{}", "{}nabla", "dl{}", "d{}s", "deltas{}", "g{}")
"""What it may be called; an update, say, may be called so as well."""


@cache
def gradient_names(
    leaf: str, taken: frozenset[str] = frozenset(), *, surely: bool = False
) -> tuple[str, ...]:
    """Return what the gradient of a parameter may be called, in plain names, likeliest first.

    Parameters
    ----------
    leaf : str
    taken : frozenset of str
        Plain names of the arrays beside it: with ``W`` and ``weights`` side by side, ``dweights``
        is not the gradient of ``W``.
    surely : bool
        Whether to leave out what may be something else as well.
    """
    forms = GRADIENT_FORMS if surely else (*GRADIENT_FORMS, *OTHER_FORMS)
    own = plain(leaf)
    alike = stems(leaf)
    words = [own] if alike & taken else sorted(alike, key=lambda word: (word != own, word))
    return tuple(dict.fromkeys(form.format(word) for word in words for form in forms))


def is_gradient_container(name: str) -> bool:
    """Return whether a dictionary or a list is called as one of gradients is."""
    short = plain(name)
    return (
        "grad" in short
        or "nabla" in short
        or "delta" in short
        or (short.startswith("d") and (short[1:] in CONTAINERS or short[1:] in {"w", "b", "ws"}))
    )


def is_list_of_gradients(name: str, parameters: object) -> bool:
    """Return whether a list is called as one of the gradients to a list of parameters.

    As ``dbs`` is to ``bs``, and ``dW`` to ``weights``.
    """
    if not isinstance(parameters, str):
        return False
    words = (parameters, parameters.removesuffix("s"))
    return any(plain(name) in gradient_names(word) for word in words if word)


def takes_labels_first(names: list[str]) -> bool:
    """Return whether two arguments are called as if the first were the labels."""
    called = [name.lower() for name in names[:2]]
    are_labels = [name in ("t", "gt") or has_part(name, TRUTH) for name in called]
    are_inputs = [name in ("x", "z", "a", "p", "s") or has_part(name, GUESSES) for name in called]
    if are_labels == [False, False] and called[:1] == ["y"]:
        return are_inputs[1:] == [True]  # or else it may be the output, and labels come after
    return are_labels == [True, False]
