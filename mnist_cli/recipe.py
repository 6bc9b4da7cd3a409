"""The recipe: all the settings that decide what training ends with, each said once.

The options of ``mnist-cli train``, the keys of a config, and what a model file remembers are made
of it. It knows no numpy, so that ``--help`` can show the defaults at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mnist_cli.config import find_config, read_config, to_toml
from mnist_cli.errors import SettingsError
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.settings import Setting, nearest, setting, settings_of
from mnist_cli.texts import as_written, shown

LEARNING_RATES = {"sgd": 0.3, "adam": 0.004, "muon": 0.3}
"""The optimizers, and the learning rate that each uses if none is given."""

NETWORK, TRAINING, IMAGES, DISTORTIONS = "Network", "Training", "Images", "Distortions"

MOST = 10**9
"""No count of units, epochs or images needs to be larger."""

DISTORTED = ("augment", ("affine", "elastic"))
ELASTIC = ("augment", ("elastic",))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; the defaults reach 98% on MNIST.

    Its fields are the settings, each with its default, its range and what it does. A number may be
    given in any type; texts are one of their choices.

    Raises
    ------
    SettingsError
        If a setting is of the wrong kind or out of range, or two of them contradict each other.
    """

    hidden: int = setting(128, "Hidden units.", group=NETWORK, unit="N", least=1, most=MOST)
    epochs: int = setting(
        10, "Passes over the training images.", group=TRAINING, unit="N", least=1, most=MOST
    )
    coarse_epochs: int = setting(
        0,
        "Train the first N epochs on the images at 14×14, which is quicker.",
        group=TRAINING,
        unit="N",
        least=0,
        most=MOST,
    )
    batch_size: int = setting(
        128, "Images in each step.", group=TRAINING, unit="N", least=1, most=MOST
    )
    sampling: str = setting(
        "uniform",
        "The images of an epoch: each once, or drawn by their last losses.",
        group=TRAINING,
        choices=("uniform", "loss"),
    )
    optimizer: str = setting(
        "sgd",
        "Gradient descent with momentum, Adam, or Muon, which orthogonalizes the steps of W1.",
        group=TRAINING,
        choices=tuple(LEARNING_RATES),
    )
    learning_rate: float = setting(
        None, "Learning rate at the schedule's peak.", group=TRAINING, unit="X", above=0, key="lr"
    )
    momentum: float = setting(
        0.9,
        "Momentum of SGD and Muon, or Adam's beta1.",
        group=TRAINING,
        unit="X",
        least=0,
        below=1,
    )
    weight_decay: float = setting(
        0.003,
        "Decay of the parameters, decoupled from the gradient.",
        group=TRAINING,
        unit="X",
        least=0,
    )
    label_smoothing: float = setting(
        0.0,
        "Share of each label that is spread evenly over all ten digits.",
        group=TRAINING,
        unit="X",
        least=0,
        below=1,
    )
    dropout: float = setting(
        0.0,
        "Fraction of hidden units set to zero at random in each step.",
        group=TRAINING,
        unit="X",
        least=0,
        below=1,
    )
    schedule: str = setting(
        "one-cycle",
        "How the learning rate changes over the run.",
        group=TRAINING,
        choices=tuple(SCHEDULES),
    )
    deskew: bool = setting(
        False, "Deskew every digit first, in training and in evaluation.", group=IMAGES
    )
    digit_width: int = setting(
        0,
        "Scale every digit to this width first, in training and in evaluation; 0 leaves it as it "
        "is.",
        group=IMAGES,
        unit="PIXELS",
        least=0,
        most=28,
    )
    augment: str = setting(
        "none",
        "Distort every image anew each time it is seen: rotate, scale, shear and shift it, and for "
        "elastic also stretch it like rubber.",
        group=DISTORTIONS,
        choices=("none", "affine", "elastic"),
    )
    rotation: float = setting(
        12.0,
        "Rotate by up to this.",
        group=DISTORTIONS,
        unit="DEGREES",
        least=0,
        needs=DISTORTED,
    )
    scale: float = setting(
        0.12,
        "Scale width and height by up to this, up or down.",
        group=DISTORTIONS,
        unit="X",
        least=0,
        below=1,
        needs=DISTORTED,
    )
    shear: float = setting(
        0.1,
        "Slant by up to this, the tangent of the angle.",
        group=DISTORTIONS,
        unit="X",
        least=0,
        needs=DISTORTED,
    )
    shift: float = setting(
        1.5,
        "Shift by up to this.",
        group=DISTORTIONS,
        unit="PIXELS",
        least=0,
        needs=DISTORTED,
    )
    displacement: float = setting(
        1.5,
        "If elastic: how far a point moves, on average.",
        group=DISTORTIONS,
        unit="PIXELS",
        least=0,
        needs=ELASTIC,
    )
    smoothness: float = setting(
        5.0,
        "If elastic: the distance over which that changes.",
        group=DISTORTIONS,
        unit="PIXELS",
        least=0.1,
        most=100,
        needs=ELASTIC,
    )
    validation: int = setting(
        0,
        "Hold out this many images, the last ones, and measure on them after each epoch.",
        group=TRAINING,
        unit="N",
        least=0,
        most=MOST,
    )
    patience: int = setting(
        0,
        "Stop after this many epochs without a better validation accuracy, and keep the best "
        "epoch; 0 means never.",
        group=TRAINING,
        unit="N",
        least=0,
        most=MOST,
    )
    seed: int = setting(
        0,
        "Decides the initial weights, the order of the images and their distortions.",
        group=TRAINING,
        unit="N",
        least=0,
        most=2**63 - 1,
    )
    dtype: str = setting(
        "float32",
        "Precision; float64 is slower, and meant for study.",
        group=NETWORK,
        choices=("float32", "float64"),
    )

    def __post_init__(self) -> None:
        for name, said in SETTINGS.items():
            value = getattr(self, name)
            if value is None and name == "learning_rate":
                value = LEARNING_RATES[self.optimizer]  # which has been checked before
            try:
                object.__setattr__(self, name, said.check(value))
            except ValueError as error:
                raise SettingsError(f"`{name}` is {as_written(value)}, but {error}.") from error
        if self.patience and not self.validation:
            raise SettingsError(
                f"`patience` {self.patience} needs images to judge by: hold some out with "
                "`validation` 10000."
            )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Recipe:
        """Return the recipe of these settings; what is missing takes its default.

        Raises
        ------
        SettingsError
            If there is no such setting, or as the class says.
        """
        for name in settings:
            if name not in SETTINGS:
                near = nearest(shown(name), SETTINGS)
                advice = f"did you mean `{near}`?" if near else f"there are {', '.join(SETTINGS)}."
                raise SettingsError(f"There is no setting {as_written(name)}: {advice}")
        return cls(**settings)

    @classmethod
    def from_toml(cls, config: str | Path) -> Recipe:
        """Return the recipe of a config: a TOML file, or the name of a ready-made one.

        What a config says besides, of files and of output, is for ``mnist-cli train`` alone.

        Raises
        ------
        ConfigError
            If there is no such config, or it is no TOML, or has a key that means nothing or a value
            of another type.
        SettingsError
            As the class says.
        """
        keys = {said.key: (name, said.kind) for name, said in SETTINGS.items()}
        return cls(**read_config(find_config(config), keys, left_out=COMMAND_KEYS))

    def to_dict(self) -> dict[str, Any]:
        """Return all settings by their names, as `from_dict` takes them."""
        return asdict(self)

    def to_toml(self) -> str:
        """Return all settings as a config, which `from_toml` reads back."""
        lines = [f"{said.key} = {to_toml(getattr(self, name))}" for name, said in SETTINGS.items()]
        return "\n".join(["[train]", *lines, ""])

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not at their defaults."""
        plain = Recipe().to_dict() | {"learning_rate": LEARNING_RATES[self.optimizer]}
        return {name: value for name, value in self.to_dict().items() if value != plain[name]}


def check_recipe(recipe: object) -> None:
    """Raise SettingsError if this is no recipe."""
    if not isinstance(recipe, Recipe):
        raise SettingsError(
            f"`recipe` is a {type(recipe).__name__}, not a recipe: give `Recipe(hidden=128)`, or "
            "`Recipe.from_dict(...)`."
        )


SETTINGS: dict[str, Setting] = settings_of(Recipe)
"""Everything that is known of each setting, by its name."""

COMMAND_KEYS = (
    "dataset",
    "data-dir",
    "out",
    "format",
    "checkpoint",
    "checkpoint-every",
    "log",
    "json",
    "quiet",
)
"""What a config may have besides: the options of ``mnist-cli train`` that are no settings."""
