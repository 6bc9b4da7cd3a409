"""PyTorch with `torch.compile`: the forward pass, the loss and their gradients are compiled."""

from __future__ import annotations

from typing import Any

import common
from torch_side import Torch


class Compiled(Torch):
    """As `Torch`, by generated C++."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        super().__init__(hidden, batch_size, smoothing, images, labels)
        self.model.compile()
        self.criterion.compile()


if __name__ == "__main__":
    common.run(Compiled)
