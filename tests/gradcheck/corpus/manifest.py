"""What each piece of the corpus is, and what a gradient checker must say of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of hand-written gradient code, as it is named after FILE: on the command line.

    Attributes
    ----------
    idiom : str
        The file that it is in, without `.py`.
    target : str
        What stands after `FILE:`.
    options : tuple of str
        Options that the piece needs.
    is_right : bool
        Whether the exit status must be 0, or 1.
    diagnoses : tuple of str
        Names that say what is wrong with it; any of them will do.
    rows : tuple of str
        Rows that must fail.
    note : str
        What is wrong, or unusual.
    """

    idiom: str
    target: str
    options: tuple[str, ...] = ()
    is_right: bool
    diagnoses: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    note: str = ""


PIECES: list[Piece] = []


def _right(idiom: str, target: str, *options: str, note: str = "") -> None:
    PIECES.append(Piece(idiom=idiom, target=target, options=options, is_right=True, note=note))


def _wrong(
    idiom: str, target: str, diagnoses: str, note: str, *options: str, rows: tuple[str, ...] = ()
) -> None:
    names = tuple(diagnoses.split())
    PIECES.append(
        Piece(
            idiom=idiom,
            target=target,
            options=options,
            is_right=False,
            diagnoses=names,
            rows=rows,
            note=note,
        )
    )


# Names for one mistake, any of which is right.
SQUARED = "dout-squared not-linear-in-dout"
BIAS_NUMBER = "bias-summed-to-one"
BIAS_MEAN = "bias-averaged batch-size-twice"
FIXED = "batch-size-fixed"
SIGN_OFF = "softmax-sign-off-diagonal"
ONE_SIDE = "wrong-on-one-side"
UPDATED = "weights-updated-first"
INPUT = "softmax-input-for-output"
SIGMOID_TWICE = "sigmoid-twice"
GIVEN_DOUT = "derivative-of-dout"
STALE = "first-input-kept stale-state"
LOG_ZERO = "overflow"
NO_PENALTY = "regulariser-missing"
ONLY_PENALTY = "weight-decay-included"
PENALTY_TWICE = "regulariser-twice"
MISSING = "batch-size-missing"
PASSED_ON = "not-differentiated"
TWICE = "batch-size-twice"
NOT_CHECKED = "not-checked gradient-missing"

# ---- layers

_right("layers", "Affine", note="(outputs, inputs); fprop and bprop; sizes by trying")
_wrong("layers", "AffineDoutSquared", SQUARED, "dout squared", rows=("to W",))
_wrong("layers", "AffineBiasNumber(5, 4)", BIAS_NUMBER, "one number", rows=("to b",))
_wrong("layers", "AffineBiasMean(5, 4)", BIAS_MEAN, "mean for sum", rows=("to b",))
_wrong("layers", "AffineDecay", ONLY_PENALTY, "weight decay in dW", rows=("to W",))
_wrong(
    "layers",
    "Hidden",
    "input-not-transposed transposed",
    "x·dout for xᵀ·dout, which raises but for six examples",
    rows=("to W",),
)
_right("layers", "LayerNorm")
_wrong("layers", "LayerNormHalf", "unknown", "the mean is constant")
_right("layers", "BatchNorm", note="forward writes running averages, which move nothing")
_wrong("layers", "BatchNormFive", FIXED, "the batch size as 5")
_right("layers", "CentreAny")
_wrong("layers", "Centre", FIXED, "dout - dout.sum(0)/5")
_right("layers", "Scale")
_wrong("layers", "ScaleNotOne", "zero-for-one-example", "0 for a batch of one")
_wrong("layers", "ScaleByFive", FIXED, "5·mean for the sum", rows=("to gain",))
_right("layers", "Bilinear", note="two inputs; one number a row")
_wrong(
    "layers",
    "BilinearExchanged",
    "gradients-swapped wrong-shape",
    "the two gradients to the inputs are exchanged, and of another shape",
)
_right("layers", "Dropout")
_wrong("layers", "DropoutUnscaled", "dropout-scale-missing", "the scale is forgotten")
_right("layers", "RowSoftmax", note="by loops")
_wrong("layers", "RowSoftmaxPlus", SIGN_OFF, "the sign off the diagonal")
_wrong("layers", "RowSoftmaxOfInput", INPUT, "the Jacobian of the input, on rows")
_wrong(
    "layers",
    "ClampedSoftmax",
    "overflow wrong-far-from-zero",
    "exp(clip(x, ±600)) is infinite in float32",
)
_right("layers", "Tanh")
_wrong("layers", "TanhOfDout", GIVEN_DOUT, "the derivative is taken of dout")
_wrong("layers", "TanhFifty", "clipped not-linear-in-dout", "clips dout at ±50")
_wrong("layers", "TanhFirst", STALE, "the first input is kept for ever")
_wrong("layers", "CutGradient", "clipped", "clips dx at ±1")
_wrong("layers", "TanhFlat", "strided-dout-refused", "raises on a strided dout")
_right("layers", "Softplus")
_wrong("layers", "SoftplusTwenty", "wrong-far-from-zero", "0 beyond |x| = 20")
_right("layers", "Elu")
_wrong("layers", "EluOneSide", ONE_SIDE, "the value for the derivative, below 0 only")
_right("layers", "AveragePool", "--shape", "3,2,4,4")
_wrong("layers", "AveragePoolFour", "constant-factor", "4 times", "--shape", "3,2,4,4")

_wrong(
    "layers",
    "AffineTwoMistakes",
    BIAS_NUMBER + " constant-factor",
    "two mistakes",
    rows=("to W", "to b"),
)
_right("layers", "Standardise", "--constant", "mean", "--constant", "spread")
_wrong("layers", "Standardise", NOT_CHECKED, "two constants", rows=("to mean", "to spread"))
_right("layers", "VectorSoftmax", "--shape", "6", note="one vector")
_wrong("layers", "VectorSoftmaxPlus", SIGN_OFF, "plus off the diagonal", "--shape", "6")
_right("layers", "Exponential", note="backward(x, grad); infinite at 1000, and rightly")
_right("layers", "TanhOut", note="backward(grad, out)")
_wrong("layers", "TanhOutTwice", "output-for-input", "tanh of the output")

# ---- losses

_right("losses", "HuberLoss", note="backward(pred, true)")
_wrong("losses", "HuberSign", "sign-flipped", "true - pred")
_right("losses", "LogCosh", note="the labels first")
_wrong("losses", "LogCoshNoMean", MISSING, "the mean is forgotten")
_right("losses", "BinaryCrossEntropy", note="one loss an entry; of their sum")
_wrong("losses", "BinaryTwice", SIGMOID_TWICE, "p - t for a loss of probabilities")
_wrong("losses", "BinaryTwiceEpsilon", SIGMOID_TWICE, "the same, with ε in the logarithm")
_wrong("losses", "BinaryTwiceNoMean", SIGMOID_TWICE, "the same, with the mean forgotten")
_wrong(
    "losses",
    "BinaryNoMean",
    "batch-size-missing mean-missing constant-factor",
    "the mean over all entries is forgotten",
)
_right("losses", "LogisticLoss")
_wrong("losses", "LogisticTwice", SIGMOID_TWICE, "p(1 - p) once too often, on logits")
_right("losses", "CategoricalCrossentropy", note="one loss an example; of their mean; dinputs")
_wrong("losses", "CategoricalForgetsSign", "sign-flipped", "the sign")
_right("losses", "SoftmaxAtOnce", note="called, gives (loss, gradient)")
_wrong("losses", "SoftmaxAtOnceTwiceMean", TWICE, "divided twice")
_wrong("losses", "RoundedLog", LOG_ZERO, "the log of a rounded 0")
_right("losses", "RoundedLog", "--skip", "large-inputs", note="right but for large inputs")
_right("losses", "Weighted", "--constant", "class_weights")
_wrong("losses", "Weighted", NOT_CHECKED, "class_weights move the loss and have no gradient")
_right("losses", "CentreLoss", "--classes", "3", note="a loss with parameters")
_wrong(
    "losses",
    "CentreLossSign",
    "sign-flipped",
    "of its centres",
    "--classes",
    "3",
    rows=("to centres",),
)
_right("losses", "Ridge", note="a loss with parameters and a penalty on them")
_wrong("losses", "RidgeForgotten", NO_PENALTY, "in the loss alone", rows=("to w",))
_wrong("losses", "RidgeTwice", PENALTY_TWICE, "twice in the gradient", rows=("to w",))
_wrong("losses", "RidgeNotInLoss", ONLY_PENALTY, "in the gradient alone", rows=("to w",))
_right("losses", "MultiHinge")
_wrong("losses", "MultiHingeCount", "unknown", "-1 for minus the number of margins")
_wrong("losses", "MeanSquared", "constant-factor mean-missing", "the columns are not counted")
_wrong("losses", "SquaredFive", FIXED, "5 for the batch size")
_right("losses", "Distance", note="one loss an example; derivative(a, b) of their sum")
_wrong("losses", "DistanceDouble", "factor-two", "twice")

_right("losses", "WithProbabilities", note="-> loss, probabilities")
_wrong("losses", "WithProbabilitiesAdded", "labels-added", "p + t")
_wrong("losses", "Contrastive", MISSING, "dscale without the mean", rows=("to scale",))

# ---- activations

_right("activations", "Swish")
_wrong("activations", "SwishProduct", "unknown", "a factor is missing in one of two terms")
_right("activations", "Selu")
_wrong("activations", "SeluSide", ONE_SIDE, "a factor is missing below 0")
_right("activations", "Softsign")
_wrong("activations", "SoftsignNoAbs", ONE_SIDE, "1 below 0")
_right("activations", "Logistic", note="derivative(output)")
_wrong("activations", "LogisticOfX", "input-for-output", "x(1 - x) of the input")
_right("activations", "HardTanh")
_wrong("activations", "HardSwish", "wrong-far-from-zero", "the middle formula everywhere")
_right("activations", "Softmax", note="the Jacobian of a batch, (N, C, C)")
_wrong("activations", "SoftmaxRowsDiagonal", "softmax-diagonal-only", "the diagonal alone")
_right("activations", "VectorSoftmax", "--shape", "6", note="the Jacobian of one vector")
_wrong("activations", "VectorSoftmaxInput", INPUT, "of the input", "--shape", "6")
_wrong("activations", "VectorSoftmaxSign", SIGN_OFF, "plus off the diagonal", "--shape", "6")
_right("activations", "Gaussian", note="prime")
_wrong("activations", "GaussianHalf", "factor-half", "half")
_right("activations", "ReLUKind", note="backward(dA, Z)")
_wrong("activations", "ReLUKindOfGradient", GIVEN_DOUT + " wrong-mask", "the mask is of dA")

# ---- pairs of functions

_right("function_pairs", "relu,relu_deriv")
_right("function_pairs", "leaky", note="leaky_derivative is found by its name")
_wrong("function_pairs", "leaky_relu,leaky_relu_prime", ONE_SIDE, "0 for the slope below 0")
_right("function_pairs", "sigmoid_prime", note="named from the other side")
_right("function_pairs", "logistic,logistic_derivative", note="given the output, a")
_wrong("function_pairs", "tanh,tanh_derivative", "input-for-output", "1 - x² for 1 - tanh²")
_right("function_pairs", "softplus,d_softplus")
_right("function_pairs", "cubic,dcubic")
_wrong("function_pairs", "arctan", "unknown", "1 - x² below the line for 1 + x²")
_wrong("function_pairs", "softsign,softsign_prime", ONE_SIDE, "1 + x for 1 + |x|")
_right("function_pairs", "softmax,softmax_grad", "--shape", "6", note="a Jacobian")
_wrong("function_pairs", "soft_max", "softmax-diagonal-only", "the diagonal", "--shape", "6")
_right("function_pairs", "mse,mse_prime", note="the labels first")
_wrong("function_pairs", "rms,rms_prime", "sign-flipped", "true - pred")
_right("function_pairs", "bce", note="bce_prime is found by its name")
_wrong(
    "function_pairs",
    "binary_loss,binary_loss_derivative",
    "batch-size-missing mean-missing constant-factor",
    "the mean is forgotten",
)
_right("function_pairs", "absolute_error,absolute_error_grad")
_wrong("function_pairs", "quartic_error,quartic_error_grad", "constant-factor", "4 times")

_right("function_pairs", "root,root_prime", note="not defined below 0")
_wrong("function_pairs", "gelu,gelu_derivative", "unknown", "the inner derivative is cut short")

# ---- functions with a cache, and losses with their gradient

RNN = ("--shape", "x=5,4", "--shape", "prev_h=5,3", "--shape", "Wx=4,3", "--shape", "Wh=3,3")
GRU = ("--shape", "x=5,4", "--shape", "h=5,3", "--shape", "Wx=4,3", "--shape", "Wh=3,3")

_right("cached_functions", "affine_forward,affine_backward")
_right("cached_functions", "affine_forward", "--shape", "x=4,2,3", "--shape", "w=6,5")
_wrong("cached_functions", "fc_forward,fc_backward", BIAS_MEAN, "mean for sum", rows=("to b",))
_right("cached_functions", "rectify_forward")
_wrong("cached_functions", "relu_forward,relu_backward", GIVEN_DOUT + " wrong-mask", "of dout")
_right("cached_functions", "layernorm_forward,layernorm_backward")
_wrong(
    "cached_functions",
    "batchnorm_backward",
    "unknown",
    "the mean is constant",
    rows=("to x",),
)
_right("cached_functions", "rnn_step_forward", *RNN, "--shape", "b=3")
_wrong(
    "cached_functions",
    "gru_gate_forward,gru_gate_backward",
    "not-differentiated",
    "the sigmoid is forgotten on one way",
    *GRU,
    "--shape",
    "b=3",
    rows=("to h",),
)
_right("cached_functions", "svm_loss")
_right("cached_functions", "softmax_loss")
_wrong("cached_functions", "softmax_cost", MISSING, "the mean is forgotten")
_right("cached_functions", "softmax_loss_naive", "--arg", "reg=0.1")
_wrong("cached_functions", "svm_loss_naive", NO_PENALTY, "in the loss alone", "--arg", "reg=0.1")
_wrong("cached_functions", "svm_loss_vectorized", PENALTY_TWICE, "half", "--arg", "reg=0.1")
_wrong("cached_functions", "ridge_naive", ONLY_PENALTY, "in dW alone", "--arg", "reg=0.1")
_right("cached_functions", "linear_regression", "--arg", "reg=0.1", note="w is a vector")

DROP = ("--arg", "dropout_param={'p': 0.6, 'mode': 'train', 'seed': 3}")
THIN = ("--arg", "thinning_param={'p': 0.6, 'seed': 3}")
_right("cached_functions", "dropout_forward", *DROP, note="a dictionary of settings")
_wrong("cached_functions", "thinning_forward", "dropout-scale-missing", "no scale", *THIN)
_right("cached_functions", "dropout_forward", note="settings that need not be given")
_right("cached_functions", "spatial_forward", note="a running mean among the settings")
_wrong("cached_functions", "pool_forward", "unknown", "to the corner")

# ---- a learning rate, and updates inside

COLUMN = ("--shape", "4,1")
IMAGE = ("--shape", "6,5")

_right("learning_rates", "Dense(4, 3)", *COLUMN, note="one example, in a column")
_wrong("learning_rates", "DenseMovedFirst(4, 3)", UPDATED, "dx by the new weights", *COLUMN)
_wrong("learning_rates", "DenseUphill(4, 3)", "sign-flipped", "+=", *COLUMN, rows=("to weights",))
_right("learning_rates", "Tanh")
_wrong("learning_rates", "TanhTwice", "differentiated-twice", "the derivative squared")
_wrong("learning_rates", "Sine", "sign-flipped", "-cos")
_right("learning_rates", "Softmax", "--shape", "5,1", note="one vector in a column")
_wrong("learning_rates", "SoftmaxInput", INPUT, "of the input, in a column", "--shape", "5,1")
_right("learning_rates", "Reshape((2, 6), (12, 1))", "--shape", "2,6")
_right("learning_rates", "Convolution", *IMAGE, note="one image, biases as large as the output")
_wrong(
    "learning_rates",
    "ConvolutionFlipped",
    "unknown",
    "kernels turned round for dx",
    *IMAGE,
)
_right("learning_rates", "FullyConnected", note="lr has a default")
_wrong("learning_rates", "FullyConnectedSum", BIAS_NUMBER, "one number", rows=("to b",))
_wrong("learning_rates", "FullyConnectedMean", TWICE, "dW by the mean", rows=("to W",))
_wrong("learning_rates", "FullyConnectedMoved", UPDATED, "dx by the new weights")
_right("learning_rates", "WithOptimizer", note="an optimiser with a momentum for each parameter")
_wrong("learning_rates", "WithOptimizerFive", FIXED, "5·mean for the sum", rows=("to w0",))
_wrong("learning_rates", "WithOptimizerAfter", UPDATED, "dx by the new weights")
_wrong("learning_rates", "DoubleStep", "factor-two", "twice", rows=("to W",))

_right("learning_rates", "Momentous", note="a momentum is an argument, too")
_right("learning_rates", "Paced", note="numbers with names of nobody")
_wrong("learning_rates", "PacedTooFast", "constant-factor", "three times", rows=("to W",))
_right("learning_rates", "Decaying", note="a weight decay that the loss has no part in")
_right("learning_rates", "OwnPace", note="its own rate, by what it does")
_wrong("learning_rates", "OwnPaceUphill", "sign-flipped", "+=", rows=("to W",))
_right("learning_rates", "HandedOptimizer")
_wrong("learning_rates", "HandedOptimizerTransposed", "transposed", "xᵀ·dout turned round")
_right("learning_rates", "HandedOptimizerRate")
_right("learning_rates", "Perceptrons", note="feed_forward, back_propagate(error, eta)")
_wrong(
    "learning_rates",
    "PerceptronsPlain",
    "not-differentiated unknown",
    "the sigmoid is not differentiated for dx",
)

# ---- state in attributes

_right("attributes", "SigmoidUnit")
_wrong("attributes", "SigmoidUnitInput", "input-for-output", "of the input")
_wrong("attributes", "TanhUnit", "sign-flipped", "the sign")
_right("attributes", "CubeUnit")
_right("attributes", "SoftmaxUnit", note="the Jacobian by loops")
_wrong("attributes", "SoftmaxUnitMixed", INPUT, "value·(1 - input)")
_wrong("attributes", "SoftmaxUnitPlus", SIGN_OFF, "plus off the diagonal")
_right("attributes", "LinearUnit", note="dout is an attribute, grad_output")
_wrong("attributes", "LinearUnitDouble", "factor-two", "dw twice", rows=("to w",))
_right("attributes", "SquaredErrorUnit", note="a loss that holds its two inputs")
_wrong(
    "attributes",
    "SquaredErrorUnitNoMean",
    "batch-size-missing mean-missing constant-factor",
    "the mean is forgotten",
)

# ---- whole networks

LOGISTIC = ("--columns", "--shape", "w=4,1", "--arg", "b=0.3")

_right("networks", "TwoLayerNet", note="loss(X, y) -> loss, grads, with a penalty")
_wrong("networks", "TwoLayerNetForgets", NO_PENALTY, "in the loss alone", rows=("to W1", "to W2"))
_wrong("networks", "TwoLayerNetHalfPenalty", PENALTY_TWICE, "½ missing", rows=("to W1", "to W2"))
_wrong("networks", "TwoLayerNetNoPenalty", ONLY_PENALTY, "in grads alone", rows=("to W1", "to W2"))
_right("networks", "LayeredNet", note="loss(x, t), gradient(x, t); arrays shared with layers")
_wrong(
    "networks",
    "LayeredNetPassing",
    "not-differentiated",
    "the sigmoid is not differentiated",
    rows=("to W1", "to b1"),
)
_right("networks", "ThreeLayer", note="forward(x, t), backward() fills dW1, …")
_wrong("networks", "ThreeLayerSeven", "constant-factor", "dW1 7 times", rows=("to W1",))
_wrong("networks", "ThreeLayerFive", FIXED, "5 for the batch size", rows=("to W1", "to b2"))
_wrong("networks", "ThreeLayerOneBias", BIAS_NUMBER, "one number", rows=("to b1",))
_right("networks", "Network", note="backprop(x, y) -> nabla_b, nabla_w; self.cost.fn(a, y)")
_right("networks", "EntropyNetwork", note="the same, with the cross-entropy")
_wrong(
    "networks",
    "MismatchedNetwork",
    "not-differentiated",
    "a - y without the sigmoid's derivative",
)
_right("networks", "DerivativeNetwork([4, 3, 2])", note="only cost_derivative(a, y)")
_wrong(
    "networks",
    "DerivativeNetworkOfActivation([4, 3, 2])",
    "output-for-input",
    "sigmoid_prime of an activation, in the hidden layer",
)
_right("networks", "propagate", *LOGISTIC, note="b is a number with a gradient")
_wrong("networks", "propagate_sum", MISSING, "db is not divided", *LOGISTIC, rows=("to b",))
_right("networks", "model", "--columns", note="takes the file's own params")
_wrong("networks", "model_transposed", "input-for-output", "1 - Z²", "--columns")
_right("networks", "LogisticRegression", note="loss(X, y) -> loss, one gradient")
_wrong("networks", "LogisticRegressionSign", "sign-flipped", "the sign", rows=("to w",))
_right("networks", "BookNet", note="forward returns two activations, which backward is given")
_wrong("networks", "BookNetHiddenPassed", "not-differentiated", "σ′", rows=("to weight_h",))
_wrong("networks", "BookNetBiasMean", BIAS_MEAN, "mean for sum", rows=("to bias_o",))
_right("networks", "ForwardLossGradient", note="three methods that are named like other idioms")
_wrong("networks", "ForwardLossGradientHalf", "unknown", "1 − a", rows=("to W1", "to b1"))

# ---- columns

_right("columns", "Dense", "--columns")
_wrong("columns", "DenseOnlyWeights", TWICE, "dW by the mean, db not", "--columns", rows=("to W",))
_right("columns", "DenseMeanOverall", "--columns", note="the mean over the columns, a convention")
_wrong("columns", "DenseNotSummed", "bias-not-summed", "db = dZ", "--columns", rows=("to b",))
_wrong("columns", "DenseNotTurned", "transposed", "W·dZ for Wᵀ·dZ", "--columns")
_right("columns", "Softmax", "--columns")
_wrong("columns", "SoftmaxOfZ", INPUT, "the Jacobian of the input, on columns", "--columns")
_wrong("columns", "SoftmaxDiagonal", "softmax-diagonal-only", "the diagonal alone", "--columns")
_wrong("columns", "SoftmaxOverAll", "rows-leak", "the sum over all", "--columns")
_right("columns", "CrossEntropy", "--columns")
_wrong(
    "columns",
    "CrossEntropyClasses",
    "constant-factor batch-size-fixed",
    "divided by the number of classes",
    "--columns",
)
_right("columns", "linear_forward,linear_backward", "--columns", note="the mean, a convention")
_wrong("columns", "dense_forward,dense_backward", TWICE, "dA_prev divided, too", "--columns")
_right("columns", "sigmoid_forward,sigmoid_backward", "--columns")
_right("columns", "SoftmaxNet", "--columns", "--skip", "large-inputs")
_wrong("columns", "SoftmaxNetBias", "batch-size-missing", "no mean of db", "--columns")

# ---- nodes

OVERWRITTEN = "gradient-overwritten"

_right("nodes", "Product", note="_back(self, a, b); also of one node twice")
_wrong("nodes", "ProductOverwriting", OVERWRITTEN, "= for +=")
_wrong("nodes", "ProductOwn", "gradients-swapped", "each has the other's")
_right("nodes", "MatMul")
_wrong("nodes", "MatMulOverwriting", OVERWRITTEN, "= for += in one of two", rows=("to w",))
_right("nodes", "RowMean")
_wrong("nodes", "RowMeanSum", "constant-factor mean-missing", "not divided by the width")
_right("nodes", "Sigmoid")
_wrong("nodes", "SigmoidDoutTwice", SQUARED, "self.g twice")
_wrong("nodes", "Cube", "constant-factor", "the 3 is missing, under a += that is never cleared")
_wrong(
    "nodes",
    "CubeRight",
    "gradients-grow backward-not-repeatable",
    "+= that is never cleared, and nothing else",
)
_right("nodes", "Tensor", note="operator by operator")
_wrong("nodes", "TensorSets", OVERWRITTEN, "= for += in a product: x * x")
_wrong("nodes", "TensorNotTurned", "transposed wrong-shape unknown", "gradᵀ·x, reshaped")
_wrong("nodes", "TensorPower", "unknown output-for-input", "n·xⁿ for n·xⁿ⁻¹")
_wrong("nodes", "TensorLog", "output-for-input", "1/log x for 1/x")
_right("nodes", "Linear", note="inbound_nodes, and gradients by parent in the child; hard")
_wrong("nodes", "LinearOneBias", BIAS_NUMBER, "one number; hard")

# ---- lists

ROW = ("--shape", "inputs.0=6,4", "--shape", "inputs.1=4")

_right("lists", "MatMul")
_wrong("lists", "MatMulExchanged", "gradients-swapped wrong-shape", "in another order")
_right("lists", "AddBias")
_wrong("lists", "AddBiasWhole", "bias-not-summed wrong-shape", "not summed", *ROW)
_right("lists", "ReLU")
_wrong("lists", "ReLUIgnores", "dout-ignored", "gradient is ignored")
_right("lists", "SquareLoss", note="labels' gradients, too")
_wrong("lists", "SquareLossBoth", "sign-flipped", "the sign of that to the truth")
_right("lists", "Concatenate", note="forward takes any number of inputs, backward two")

# ---- parameters

_right("parameters", "Linear(4, 3)", note="objects with .value and .grad, zero_grad")
_wrong("parameters", "LinearHalf(4, 3)", "factor-half", "half")
_wrong("parameters", "NeverCleared", "constant-factor", "3 times, under a += never cleared")
_right("parameters", "Keyed", note="parameters and gradients; keys d_weights, d_bias")
_wrong("parameters", "KeyedMean", BIAS_MEAN, "mean for sum")
_right("parameters", "NamedByLoss", note="dLdW")
_wrong("parameters", "NamedByLossSign", "sign-flipped", "the sign", rows=("to W",))
_right("parameters", "NamedGrad", note="gradW, gradB")
_wrong("parameters", "NamedGradDouble", "factor-two", "twice", rows=("to W",))
_right("parameters", "NamedSmall", note="dw for W")
_wrong("parameters", "NamedSmallTurned", "transposed wrong-shape", "transposed", rows=("to W",))
_right("parameters", "NamedAfter", note="W_grad, b_grad")
_wrong("parameters", "NamedAfterOne", BIAS_NUMBER, "one number", rows=("to b",))
_right("parameters", "Lazy", note="made at the first forward")
_wrong("parameters", "LazySign", "sign-flipped", "the sign", rows=("to w",))
_right("parameters", "WithBiasRow", note="the bias as a row; weights_gradient")
_wrong("parameters", "WithBiasRowForgotten", "wrong-rows", "0 in it", rows=("to weights",))
_right("parameters", "Both", note="layers in a list, with parameters as objects")
_wrong(
    "parameters",
    "BothWithoutMask",
    "not-differentiated wrong-mask unknown",
    "the rectifier is not differentiated",
)
_wrong("parameters", "PReLU", NOT_CHECKED, "alpha has no gradient", rows=("to alpha",))
_right("parameters", "PReLULearned", note="dalpha")
_right("parameters", "Projection", "--constant", "matrix")
_wrong("parameters", "Projection", NOT_CHECKED, "no gradient at all", rows=("to matrix",))
_right("parameters", "Listed", note="params and grads, lists of one order")
_wrong("parameters", "ListedLast", "one-example-only", "of the last example alone")
_right("parameters", "Recorder", note="a stack of inputs, pushed and popped")
_wrong("parameters", "RecorderFirst", STALE, "the first of a kept list, never cleared")
_right("parameters", "RecorderCleared", note="a kept list, with clear()")
_right("parameters", "ReturnsList", note="dx, [dW, db]")
_wrong("parameters", "ReturnsDictionary", TWICE, "dW by the mean", rows=("to W",))

# ---- the forum's questions, in its idioms

_wrong(
    "forum",
    "LoopedSoftmax",
    INPUT + " softmax-last-column-only wrong-shape",
    "one row, of the input",
)
_right("forum", "LoopedJacobian")
_right("forum", "VectorisedJacobian")
_wrong("forum", "VectorisedJacobianInput", INPUT, "the Jacobian of the input")
_right("forum", "AffineAdding", note="+=, and zero_gradients")
_wrong("forum", "AffineAddingNumber", BIAS_NUMBER, "one number", rows=("to b",))
_right("forum", "StaticSoftmaxLoss")
_wrong("forum", "StaticSoftmaxLossRounded", LOG_ZERO, "the log of a rounded 0")
_right("forum", "StaticSoftmaxLossRounded", "--skip", "large-inputs")
_right("forum", "SoftmaxNode")
_wrong(
    "forum",
    "SoftmaxNodeSquare",
    "softmax-identity-over-batch softmax-diagonal-only",
    "np.eye of the rows: raises unless the batch is as large as the classes, and is wrong there",
)
_right("forum", "CrossEntropyNode")
_wrong("forum", "CrossEntropyNodeJoint", "softmax-twice", "p - t for -t/p")

# ---- more nodes

_right("nodes", "BranchProduct", note="its backward calls those of its parents")
_wrong("nodes", "BranchProductSwapped", "gradients-swapped", "in the wrong order")
_right("nodes", "TanhOfWire", note="called with a node, given the parent to go back")
_wrong("nodes", "TanhOfWireSets", "gradient-overwritten", "= for +=")
_right("nodes", "RectifierOfWire", note="returns itself")

# ---- recurrent cells, and tables

_right("recurrent", "gru_cell_forward", note="the hidden state is an input")
_right("recurrent", "lstm_step_forward", note="two outputs")
_wrong("recurrent", "peephole_step_forward", "unknown", "nothing comes down the cell")
_right("recurrent", "Cell")
_wrong("recurrent", "CellDoubled", "factor-two", "twice", rows=("to h_prev",))
_right("recurrent", "Memory", note="two outputs of an object, one matrix")
_right("recurrent", "Embedding", note="integers go in")
_wrong("recurrent", "EmbeddingOnce", "wrong-rows", "a word twice", rows=("to table",))
_right("recurrent", "lookup_forward")

# ---- networks in three functions

NOT_FAR = ("--skip", "large-inputs")

_right("three_functions", "forward_propagation", note="parameters by the file's own function")
_wrong("three_functions", "scores_forward", PASSED_ON, "no slope of the tangent", rows=("to W1",))
_wrong("three_functions", "totals_forward", MISSING, "a sum for a mean", rows=("to W1", "to b2"))
_right("three_functions", "model_forward", *NOT_FAR, note="the output is given to backward")
_right("three_functions", "ridge_forward", note="a cost with a regulariser")
_wrong("three_functions", "lasso_forward", NO_PENALTY, "in the cost alone", rows=("to W1",))

# ---- told by other means than names and places

OF_LAYER = ("--columns", "--shape", "A_prev=4,5", "--shape", "W_curr=3,4", "--shape", "b_curr=3,1")

_right("told_otherwise", "squash", *NOT_FAR, note="deriv=True, of the output")
_right("told_otherwise", "bend", note="derivative=True, of the input")
_wrong("told_otherwise", "bow", "constant-factor", "the 3 is missing")
_right("told_otherwise", "OfOutput", note="backward(output) is the derivative")
_right("told_otherwise", "mixed_forward", note="return dw, db, dz")
_right("told_otherwise", "line_forward", note="return dtheta")
_right("told_otherwise", "Step", "--shape", "Xk=5,3", "--shape", "Sk=5,3")
_right("told_otherwise", "LastLayer", note="a loss of its own output")
_wrong("told_otherwise", "LastLayerTripled", "constant-factor", "three times", rows=("to input",))
_right("told_otherwise", "Logistic", note="backward(x, y_hat, y)")
_wrong("told_otherwise", "LogisticSum", MISSING, "a sum for a mean", rows=("to w",))
_right("told_otherwise", "InAVector")
_right("told_otherwise", "Stored", note="no optimiser, in spite of its name")
_wrong("told_otherwise", "HeldTwice", NOT_CHECKED, "b has no gradient", rows=("to b",))
_wrong("told_otherwise", "HeldTwiceTripled", "constant-factor", "three times", rows=("to b",))
_right("told_otherwise", "OneImage", "--shape", "2,5,4", note="channels are no examples")
_right("told_otherwise", "layer_forward", *OF_LAYER, note="the mean over the columns")
_wrong("losses", "SquaresOfDout", "sign-flipped", "the sign", rows=("to x",))
_right("attributes", "ForLater", note="the input is None")
_wrong("attributes", "ForLaterOfInput", "softmax-input-for-output", "of the input")
_right("function_pairs", "softmax_of_rows", note="a function of rows, the Jacobian of a vector")
_right("function_pairs", "softmax_of_rows_loss", note="another's derivative has a like name")
_right("function_pairs", "divergence", note="the gradient to the second argument")
_right("layers", "ParametricRelu", note="a number that is learned, called as a rate")
_wrong("layers", "ParametricReluOfAll", "unknown", "all inputs", rows=("to alpha",))
_right("recurrent", "rnn_forward", note="W_hh before W_xh")
_wrong(
    "recurrent", "rnn_forward,rnn_backward_transposed", "transposed", "W_hh", rows=("to h_prev",)
)
_right("recurrent", "update_forward", note="Wz and Uz")
_right("lists", "AnyNumber", note="forward(*inputs)")
_wrong("lists", "AnyNumberReversed", "gradients-swapped", "in the other order")
_right("networks", "WithProbabilities", note="results without names")
_wrong("networks", "WithProbabilitiesEpsilon", "epsilon-in-logarithm", "ε in the loss alone")
_right("networks", "LearnsAtOnce", note="moves nothing where it is saturated")
_wrong("told_otherwise", "classes_forward", MISSING, "a sum for a mean", rows=("to W", "to b"))
_wrong("told_otherwise", "classes_forward,classes_backward_reversed", "sign-flipped", "the sign")

# ---- gates side by side, sequences, images

_right("cached_functions", "highway_forward", note="square weights, side by side")
_right("cached_functions", "glu_forward", note="weights side by side")
_wrong("cached_functions", "glu_forward,glu_backward_open", "unknown", "s for s(1 - s)")
_right("recurrent", "sequence_forward", note="(N, T, D)")
_wrong("recurrent", "sequence_forward,sequence_backward_cut", "unknown", "of each step alone")
_right("layers", "ChannelDropout", note="runs with a plain batch, and means images")
_right("layers", "ChannelBias", note="the only array is a vector")
_wrong("layers", "ChannelBiasMean", "constant-factor", "the mean for the sum", rows=("to b",))
_right("layers", "Attention", note="(B, T, D)")
_wrong("layers", "AttentionUnscaled", "factor-two", "not divided by 2", rows=("to Wq", "to Wk"))

# ---- objects with a flag, and functions that are made of another

_right("told_otherwise", "Leaky", note="called with derivative=True")
_wrong("told_otherwise", "LeakyDead", ONE_SIDE, "0 for the slope below 0")
_right("told_otherwise", "slanted", note="functools.partial")
_wrong("told_otherwise", "steep", ONE_SIDE, "another slope")
_right("told_otherwise", "one_by_one", note="np.vectorize")

# ---- constants, rows, windows, stacks

_right("layers", "Maxout", note="a stack of matrices")
_wrong("layers", "MaxoutFirst", "unknown", "not where the maximum was")
_right("layers", "TiedAutoencoder", note="n_visible")
_wrong("layers", "TiedAutoencoderHalf", "unknown", "one use of two", rows=("to W",))
_right("layers", "BilinearForms", note="in1, in2")
_right("learning_rates", "OfTheModule", note="LEARNING_RATE above the class")
_right("learning_rates", "OfTheClass", note="lr in the class")
_wrong("learning_rates", "OfTheClassUphill", "sign-flipped", "+=", rows=("to w",))
_right("learning_rates", "OneRow", note="runs with one example alone")
_wrong("learning_rates", "OneRowMoved", UPDATED, "dx by the new weights")
_right("learning_rates", "Windows", note="a short input gives no output")
_wrong("learning_rates", "WindowsFlipped", "unknown", "the kernel turned round", rows=("to x",))
_right("networks", "Exclusive", note="a delta is left that looks like a gradient")
_wrong("networks", "ExclusiveOfInput", "unknown input-for-output", "of z1", rows=("to W1",))
_right("nodes", "ProductOfMatrices", note="b is no bias")
_wrong("nodes", "ProductOfMatricesSets", "gradient-overwritten", "=", rows=("to a",))
_right("cached_functions", "steps_forward", note="(N, T, D)")
_wrong(
    "cached_functions", "steps_forward,steps_backward_mean", "constant-factor", "a mean of steps"
)
_right("told_otherwise", "squashed_forward", "--columns", note="beside its output, by name")
_wrong(
    "told_otherwise", "squashed_forward,squashed_backward_of_sum", "unknown", "of Z", "--columns"
)
_right("recurrent", "GivenCell", note="weights are given, and kept in a list")
_wrong("recurrent", "GivenCellBiasMean", BIAS_MEAN, "the mean", rows=("to params.2",))
_right("attributes", "SigmoidOfShape", note="a size that is called a shape")
_wrong("attributes", "SigmoidOfShapeInput", "input-for-output", "of the input")
_right("layers", "MeanPool", note="without parameters")
_wrong("layers", "MeanPoolOfLine", "factor-two", "by k for k²")
_right("nodes", "Difference", note="-=")
_wrong("nodes", "DifferenceAdds", "not-differentiated sign-flipped", "+= for -=", rows=("to b",))
_right("learning_rates", "DecayingByDefault", note="a weight decay with a default")
_wrong("learning_rates", "DecayingByDefaultMean", BIAS_MEAN, "the mean", rows=("to b",))
_right("learning_rates", "Leaking", note="alpha is a slope, and no learning rate")
