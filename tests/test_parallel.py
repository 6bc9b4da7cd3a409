from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from mnist_cli.parallel import side_by_side

ROUNDS = 200


@pytest.mark.parametrize("members", [1, 2])
def test_after_a_meeting_each_sees_what_the_others_did_before(members: int) -> None:
    written = [0] * members

    def work(member: int) -> Iterator[None]:
        for number in range(1, ROUNDS):
            written[member] = number
            yield
            assert written == [number] * members
            yield

    side_by_side(work, members)
    assert written == [ROUNDS - 1] * members


def test_each_member_has_a_thread_and_the_first_has_this_one() -> None:
    threads = {}

    def work(member: int) -> Iterator[None]:
        threads[member] = threading.current_thread()
        yield

    side_by_side(work, 2)
    assert threads[0] is threading.current_thread()
    assert threads[1] is not threads[0]
    assert not threads[1].is_alive()


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_one_raises_ends_both_and_is_raised(failing: int, kind: type[BaseException]) -> None:
    done = [0, 0]

    def work(member: int) -> Iterator[None]:
        for number in range(ROUNDS):
            if member == failing and number == 3:
                raise kind("enough")
            done[member] = number
            yield

    before, interval = threading.active_count(), sys.getswitchinterval()
    with pytest.raises(kind, match="enough"):
        side_by_side(work, 2)
    assert done[failing] == 2
    assert done[1 - failing] <= 3
    assert threading.active_count() == before
    assert sys.getswitchinterval() == interval
