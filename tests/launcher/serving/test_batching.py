"""Micro-batches: what is asked at once is answered together, in order, and no more waits than may."""

import asyncio
import time
from collections.abc import Sequence
from threading import Event

import pytest

from launcher.serving.batching import Batcher, Batching
from launcher.serving.metrics import ServingMetrics
from launcher.serving.problems import Problem


class Doubler:
    """Doubles numbers, once it may, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = Event()
        self.has_begun = Event()

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        self.has_begun.set()
        assert self.may.wait(20)
        if -1 in asked:
            raise ValueError("no number")
        return [2 * each for each in asked]


def batcher(work: Doubler, **settings: float) -> Batcher[int, int]:
    made = Batcher[int, int](work, Batching(**settings), ServingMetrics())  # pyright: ignore[reportArgumentType]
    made.start()
    return made


def test_what_comes_while_the_model_works_is_answered_together() -> None:
    work = Doubler()
    asked = batcher(work, texts=4, wait_seconds=0)

    async def everybody() -> list[list[int]]:
        first = asyncio.create_task(asked.ask([1]))
        await asyncio.to_thread(work.has_begun.wait)
        others = [asyncio.create_task(asked.ask([n, n + 10])) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        work.may.set()
        return [await task for task in (first, *others)]

    assert asyncio.run(everybody()) == [[2], [4, 24], [6, 26], [8, 28]]
    assert work.batches == [[1], [2, 12, 3, 13], [4, 14]]
    asked.close()


def test_the_first_waits_a_moment_for_others() -> None:
    work = Doubler()
    work.may.set()
    asked = batcher(work, texts=3, wait_seconds=20)

    async def three() -> list[list[int]]:
        return await asyncio.gather(*(asked.ask([n]) for n in range(3)))

    assert asyncio.run(three()) == [[0], [2], [4]]
    assert work.batches == [[0, 1, 2]]  # and not a second later: it is full
    asked.close()


def test_more_than_may_wait_are_told_when_to_come_back() -> None:
    work = Doubler()
    asked = batcher(work, texts=1, waiting=3, wait_seconds=0)

    async def too_many() -> None:
        under_way = [asyncio.create_task(asked.ask([0]))]
        await asyncio.to_thread(work.has_begun.wait)
        under_way.append(asyncio.create_task(asked.ask([1, 2])))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="2 texts wait, of at most 3: try again in 1 seconds") as refused:
            await asked.ask([3, 4])
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        work.may.set()
        assert [await task for task in under_way] == [[0], [2, 4]]

    asyncio.run(too_many())
    asked.close()


def test_who_has_gone_costs_the_model_nothing() -> None:
    work = Doubler()
    asked = batcher(work, texts=8, wait_seconds=0)

    async def one_leaves() -> None:
        first = asyncio.create_task(asked.ask([0]))
        await asyncio.to_thread(work.has_begun.wait)
        leaving, staying = (asyncio.create_task(asked.ask([n])) for n in (1, 2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        work.may.set()
        assert (await first, await staying) == ([0], [4])

    asyncio.run(one_leaves())
    assert work.batches == [[0], [2]]
    asked.close()


def test_an_error_reaches_those_who_asked_and_nobody_else() -> None:
    work = Doubler()
    work.may.set()
    asked = batcher(work, texts=1, wait_seconds=0)
    with pytest.raises(ValueError, match="no number"):
        asyncio.run(asked.ask([-1]))
    assert asyncio.run(asked.ask([5])) == [10]
    asked.close()


def test_what_waits_is_answered_before_the_end_and_nothing_is_taken_after_it() -> None:
    work = Doubler()
    asked = batcher(work, texts=1, wait_seconds=0)

    async def ends() -> None:
        waiting = [asyncio.create_task(asked.ask([n])) for n in range(3)]
        await asyncio.to_thread(work.has_begun.wait)
        ending = asyncio.create_task(asyncio.to_thread(asked.close))
        time.sleep(0.01)  # noqa: ASYNC251 - until the thread has begun
        work.may.set()
        await ending
        assert [await task for task in waiting] == [[0], [2], [4]]
        with pytest.raises(Problem, match="about to end"):
            await asked.ask([1])

    asyncio.run(ends())
