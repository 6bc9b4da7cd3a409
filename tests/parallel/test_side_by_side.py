from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest

from mnist_cli.parallel import one_thread, side_by_side

ROUNDS = 200


@pytest.mark.parametrize("turns", [one_thread, nullcontext])
@pytest.mark.parametrize("members", [1, 2])
def test_after_a_meeting_each_sees_what_the_others_did_before(
    members: int, turns: Callable[[], AbstractContextManager[None]]
) -> None:
    written, read = [0] * members, [0] * members

    def work(member: int) -> Generator[None, None, None]:
        for number in range(1, ROUNDS):
            written[member] = number
            yield
            read[member] = sum(written)
            yield

    with turns():
        side_by_side(work, members)
    assert read == [members * (ROUNDS - 1)] * members


def test_each_member_has_a_thread_and_the_first_has_this_one() -> None:
    threads = {}

    def work(member: int) -> Generator[None, None, None]:
        threads[member] = threading.current_thread()
        yield

    side_by_side(work, 2)
    assert threads[0] is threading.current_thread()
    assert threads[1] is not threads[0]
    assert not threads[1].is_alive()
    with one_thread():
        side_by_side(work, 2)
    assert threads == dict.fromkeys((0, 1), threading.current_thread())


def test_members_without_a_meeting_are_plain_functions() -> None:
    for threads in (one_thread(), nullcontext()):
        done: list[int] = []
        with threads:
            side_by_side(done.append, 2)
        assert sorted(done) == [0, 1]


def test_both_treat_what_overflows_as_the_caller_does() -> None:
    def work(member: int) -> None:
        assert np.float32(1e38) * np.float32(10) == np.inf

    with np.errstate(over="ignore"):
        side_by_side(work, 2)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        side_by_side(work, 2)


@pytest.mark.parametrize("turns", [one_thread, nullcontext])
@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_one_raises_ends_both_and_is_raised(
    failing: int, kind: type[BaseException], turns: Callable[[], AbstractContextManager[None]]
) -> None:
    done = [0, 0]

    def work(member: int) -> Generator[None, None, None]:
        for number in range(ROUNDS):
            if member == failing and number == 3:
                raise kind("enough")
            done[member] = number
            yield

    before, interval = threading.active_count(), sys.getswitchinterval()
    with turns(), pytest.raises(kind, match="enough"):
        side_by_side(work, 2)
    assert done[failing] == 2
    assert done[1 - failing] <= 3
    assert threading.active_count() == before
    assert sys.getswitchinterval() == interval
