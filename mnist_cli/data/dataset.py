"""A data set, wherever it came from: images with labels, to learn from and to test on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import SettingsError


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes
    ----------
    images : array of uint8, shape (N, 28, 28)
        Grey levels from 0 (paper) to 255 (ink).
    labels : array of uint8, shape (N,)
        The digits, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Split:
        return Split(self.images[rows], self.labels[rows])

    def first_of_each(self) -> NDArray[np.intp]:
        """Return the places of the first image of each digit that there is, in their order."""
        _, places = np.unique(self.labels, return_index=True)
        return places

    def hold_out(self, count: int) -> tuple[Split, Split]:
        """Return the images to learn from, and the last ``count`` ones, to choose by.

        Raises
        ------
        SettingsError
            If nothing would be left to learn from.
        """
        kept = len(self) - count
        if kept < 1:
            raise SettingsError(
                f"Holding {count:,} of {len(self):,} images out leaves none to learn from: "
                "hold fewer out."
            )
        return self[:kept], self[kept:]


def check_split(data: object) -> None:
    """Raise SettingsError unless these are images and labels as a `Split` has them."""
    if not isinstance(data, Split):
        what = f"a {type(data).__name__}"
        advice = "give its `train` or `test`." if isinstance(data, Dataset) else "give a `Split`."
        raise SettingsError(f"`data` is {what}, and no images with labels: {advice}")
    images, labels = np.asarray(data.images), np.asarray(data.labels)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise SettingsError(
            f"`data` has images of {images.dtype} in the shape {images.shape}: give uint8 from 0 "
            "(paper) to 255 (ink), in the shape (N, 28, 28)."
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise SettingsError(
            f"`data` has labels of {labels.dtype} in the shape {labels.shape}: give a whole number "
            "for each image."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
        raise SettingsError("`data` has labels that are no digits: give them from 0 to 9.")


@dataclass(frozen=True)
class Dataset:
    """Both parts of a data set.

    Attributes
    ----------
    name : str
        One of `mnist_cli.data.sources.SOURCES`.
    train, test : Split
    sums : dict of str
        The SHA-256 of what it was read from, by name: of the files as they lie there. The
        synthetic data set has no files, and the sums are those of the images of its parts.
    folder : str
        Where it was read from, if it is not what was published under its name.
    """

    name: str
    train: Split
    test: Split
    sums: dict[str, str]
    folder: str = ""

    @property
    def title(self) -> str:
        """What to call it: its name, or its folder, as of another data set in the same form."""
        return self.folder or self.name

    @property
    def origin(self) -> dict[str, object]:
        """Name and sums, as models and checkpoints remember where their data came from."""
        return {"dataset": self.name, "data": self.sums}
