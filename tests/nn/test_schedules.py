from __future__ import annotations

import numpy as np
import pytest

from mnist_cli.nn.schedules import SCHEDULES, START, WARM_UP

PROGRESS = np.linspace(0, 1, 101)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_share_of_the_learning_rate(name: str) -> None:
    shares = [SCHEDULES[name](progress) for progress in PROGRESS]
    assert max(shares) == pytest.approx(1)
    assert min(shares) >= 0


def test_cosine_falls_from_one_to_zero() -> None:
    shares = [SCHEDULES["cosine"](progress) for progress in PROGRESS]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] == pytest.approx(0)
    assert shares[50] == pytest.approx(0.5)


def test_one_cycle_rises_and_then_falls() -> None:
    shares = [SCHEDULES["one-cycle"](progress) for progress in PROGRESS]
    peak = round(WARM_UP * 100)
    assert shares[0] == pytest.approx(START)
    assert shares[peak] == pytest.approx(1)
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert shares[-1] == pytest.approx(0)


def test_constant_is_constant() -> None:
    assert {SCHEDULES["constant"](progress) for progress in PROGRESS} == {1}
