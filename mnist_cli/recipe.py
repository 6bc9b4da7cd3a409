"""The recipe: all the settings that decide what training ends with.

It is what the options of ``mnist-cli train`` fill in, and what a model file remembers. It knows
no numpy, so that ``--help`` can show the defaults at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from mnist_cli.errors import SettingsError

LEARNING_RATES = {"sgd": 0.3, "adam": 0.004}
"""The optimisers, and the learning rate that each uses if none is given."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; the defaults reach 98% on MNIST.

    Attributes
    ----------
    hidden : int
        Hidden units.
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step; the last step of an epoch takes what is left.
    optimizer : {"sgd", "adam"}
    learning_rate : float
        At the schedule's peak; if None is given, the optimiser's from `LEARNING_RATES`.
    momentum : float
        SGD's μ, or Adam's β₁.
    weight_decay : float
        λ, decoupled from the gradient.
    label_smoothing : float
        ε, the share of each label that is spread evenly over all ten digits.
    dropout : float
        p, the share of hidden units that are put out in each step.
    schedule : {"constant", "cosine", "one-cycle"}
    validation : int
        How many images, the last ones, are held out of training.
    patience : int
        After how many epochs without a better validation accuracy to stop; 0 for never.
    deskew : bool
        Whether the digits are made upright first: see `mnist_cli.images.preprocessing`.
    digit_width : int
        To how many pixels the width of each digit is brought first; 0 leaves it.
    augment : {"none", "affine", "elastic"}
        Whether every image is newly distorted whenever it is seen; "elastic" is affine as well.
    rotation, scale, shear, shift, displacement, smoothness : float
        How much: see `mnist_cli.images.augmentation.Strengths`; the last two are elastic.
    seed : int
        Decides the first weights, the order of the images and their distortions.
    dtype : {"float32", "float64"}

    Raises
    ------
    SettingsError
        If there is a patience, but nothing held out to judge by.
    """

    hidden: int = 128
    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = None  # type: ignore[assignment]  # __post_init__ fills it in
    momentum: float = 0.9
    weight_decay: float = 0.003
    label_smoothing: float = 0.0
    dropout: float = 0.0
    schedule: str = "one-cycle"
    validation: int = 0
    patience: int = 0
    deskew: bool = False
    digit_width: int = 0
    augment: str = "none"
    rotation: float = 12.0
    scale: float = 0.12
    shear: float = 0.1
    shift: float = 1.5
    displacement: float = 1.5
    smoothness: float = 5.0
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        if self.patience and not self.validation:
            raise SettingsError(
                f"--patience {self.patience} needs images to judge by: "
                "hold some out with --validation 10000."
            )
