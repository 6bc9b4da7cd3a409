"""PyTorch, eager, with batches by index: the fastest plain way to write it."""

from __future__ import annotations

from typing import Any

import common
import numpy as np
import torch


class Torch(common.Side):
    """`torch.nn.Linear` and the fused `torch.optim.SGD`."""

    def __init__(self, hidden: int, batch_size: int, smoothing: float, images: Any, labels: Any):
        self.batch_size = batch_size
        self.images = torch.from_numpy(images.astype(np.float32) / 255)
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.model = torch.nn.Sequential(
            torch.nn.Linear(common.INPUTS, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, common.CLASSES),
        )
        with torch.no_grad():
            weights = common.first_weights(hidden)
            for parameter, value in zip(self.model.parameters(), weights, strict=True):
                parameter.copy_(torch.from_numpy(value.T))
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=0.1,
            momentum=common.MOMENTUM,
            weight_decay=common.DECAY * (1 - common.MOMENTUM),  # it goes through the momentum
            fused=True,
        )
        self.criterion = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)

    def gradients(self, batch: Any) -> tuple[float, list[Any]]:
        """See `common.Side`."""
        index = torch.from_numpy(batch)
        loss = self.criterion(self.model(self.images[index]), self.labels[index])
        loss.backward()
        gradients = [parameter.grad.numpy().T for parameter in self.model.parameters()]
        return loss.item(), gradients

    def epoch(self, order: Any, rates: Any) -> None:
        """See `common.Side`."""
        batches = torch.from_numpy(order).split(self.batch_size)
        loss_sum = 0.0
        correct = 0
        for index, rate in zip(batches, rates, strict=True):
            labels = self.labels[index]
            logits = self.model(self.images[index])
            loss = self.criterion(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.param_groups[0]["lr"] = float(rate)
            self.optimizer.step()
            loss_sum += loss.item()
            correct += int((logits.argmax(dim=1) == labels).sum())

    def accuracy(self, images: Any, labels: Any) -> float:
        """See `common.Side`."""
        with torch.no_grad():
            logits = self.model(torch.from_numpy(images.astype(np.float32) / 255))
        return float((logits.argmax(dim=1).numpy() == labels).mean())

    def save(self, path: str) -> None:
        """See `common.Side`."""
        torch.save(self.model.state_dict(), path)


if __name__ == "__main__":
    common.run(Torch)
