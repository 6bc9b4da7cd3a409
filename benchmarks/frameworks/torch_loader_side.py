"""PyTorch as tutorials have it: a `DataLoader` makes the batches."""

from __future__ import annotations

from typing import Any

import common
import torch
from torch_side import Torch


class Loaded(Torch):
    """The same, but for the batches."""

    def epoch(self, order: Any, rates: Any) -> None:
        """See `common.Side`; the loader draws an order of its own."""
        data = torch.utils.data.TensorDataset(self.images, self.labels)
        loader = torch.utils.data.DataLoader(data, self.batch_size, shuffle=True)
        for (x, labels), rate in zip(loader, rates, strict=True):
            loss = self.criterion(self.model(x), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.param_groups[0]["lr"] = float(rate)
            self.optimizer.step()


if __name__ == "__main__":
    common.run(Loaded)
