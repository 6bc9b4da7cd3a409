"""How well pictures of digits are read, beside the digits as MNIST gives them.

    python benchmarks/pictures.py model.npz                         # the test set, once
    python benchmarks/pictures.py validation.npz --validation       # to choose constants by
    python benchmarks/pictures.py validation.npz --validation --count 1000 --show DIR

Each image becomes a picture as people make them: white paper in one of three greys, dark ink, 60 to
600 pixels each way, the digit anywhere on the sheet and in any size from 40 pixels on, light that
comes from one side, noise, and JPEG; all drawn from one seed. It is then read by
`mnist_cli.images.picture.prepare` and the model. With ``--validation`` the last 10,000 training
images are taken, which the model must not have learned from (``train --validation 10000``): all
constants were chosen on them, and the test images were looked at once, at the end.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import io
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_cli.data.folder import default_data_dir
from mnist_cli.data.loading import load_split
from mnist_cli.errors import PictureError
from mnist_cli.images.picture import prepare
from mnist_cli.model import Model

HELD_OUT = 10_000
PAPERS = (0.75, 0.85, 0.95)


def sheet(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture, uint8, shape (H, W), of a digit on a sheet of paper."""
    height, width = rng.integers(60, 601, size=2)
    shorter = min(height, width)
    side = int(rng.uniform(max(40, 0.3 * shorter), shorter))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    ink = np.zeros((height, width))
    ink[top : top + side, left : left + side] = np.asarray(large) / 255
    paper, pen = rng.choice(PAPERS), rng.uniform(0.05, 0.35)
    y, x = np.mgrid[:height, :width] / max(height, width) - 0.5
    angle, slope, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.4), rng.uniform(-0.3, 0.3)
    light = 1 + slope * (np.cos(angle) * x + np.sin(angle) * y) + bend * (x * x + y * y)
    grey = (paper * (1 - ink) + pen * ink) * light
    grey += rng.normal(0, rng.uniform(0.005, 0.04), grey.shape)
    pixels = Image.fromarray(np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8))
    file = io.BytesIO()
    pixels.save(file, "JPEG", quality=int(rng.integers(50, 96)))
    return np.asarray(Image.open(file))


def main() -> None:
    """Print how many are misread as they are, and as pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=HELD_OUT)
    parser.add_argument("--show", type=Path, help="save what was misread only as a picture here")
    arguments = parser.parse_args()

    model = Model.load(arguments.model)
    if arguments.validation:
        data = load_split("mnist", "train", arguments.data_dir).hold_out(HELD_OUT)[1]
    else:
        data = load_split("mnist", "test", arguments.data_dir)
    chosen = range(len(data))[arguments.start : arguments.start + arguments.count]
    data = data[chosen.start : chosen.stop]
    seen = np.zeros_like(data.images)
    refused: Counter[str] = Counter()
    is_refused = np.zeros(len(data), bool)
    pictures = []
    for index, image in enumerate(data.images):
        seed = [17, arguments.validation, chosen[index]]
        picture = sheet(image, np.random.default_rng(seed))
        if arguments.show:
            pictures.append(picture)
        try:
            seen[index] = prepare(picture).image
        except PictureError as error:
            refused[str(error).partition(":")[0]] += 1
            is_refused[index] = True
    as_given = model.predict(data.images) == data.labels
    as_pictures = (model.predict(seen) == data.labels) & ~is_refused
    print(f"images               {len(data):,}")
    print(f"as MNIST gives them  {as_given.mean():.2%}")
    print(f"as pictures          {as_pictures.mean():.2%}")
    print(f"errors               {(~as_given).sum()} and {(~as_pictures).sum()}")
    for sentence, count in refused.most_common():
        print(f"refused              {count} {sentence}")
    if arguments.show:
        arguments.show.mkdir(exist_ok=True)
        for index in np.flatnonzero(as_given & ~as_pictures)[:60]:
            beside = np.concatenate([data.images[index], seen[index]], axis=1)
            Image.fromarray(beside).resize((224, 112), 0).save(arguments.show / f"{index}-seen.png")
            Image.fromarray(pictures[index]).save(arguments.show / f"{index}.png")


if __name__ == "__main__":
    main()
