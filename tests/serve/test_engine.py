"""Turns, room, ends: the engine without a network."""

import asyncio
import threading

import pytest

from tests.serve.conftest import until
from tts.base.errors import DataError, InternalError, TemporaryError
from tts.base.limits import LIMITS
from tts.serve.engine import Engine


def run(scene, **engine):
    """Run ``scene(engine)`` on an event loop, with an engine that ends after it."""

    async def whole():
        made = Engine(**engine)
        try:
            return await scene(made)
        finally:
            made.close()

    return asyncio.run(asyncio.wait_for(whole(), 20))


async def joined(job):
    return b"".join([piece async for piece in job])


def test_a_short_text_does_not_wait_for_a_long_one():
    order = []

    def work(name, n):
        def pieces(job):
            for _ in range(n):
                order.append(name)
                job.seconds += 1.0
                yield name.encode()

        return pieces

    async def scene(engine):
        jobs = [engine.submit(work("a", 5)), engine.submit(work("b", 1))]
        engine.start()
        return [await joined(job) for job in jobs]

    assert run(scene) == [b"aaaaa", b"b"] and order[:2] == ["a", "b"]


def test_work_rests_while_nobody_reads_and_goes_on_when_somebody_does():
    made = []

    def pieces(job):
        for i in range(40):
            made.append(i)
            yield bytes(LIMITS.serve_buffer_bytes // 4)

    async def scene(engine):
        engine.start()
        job = engine.submit(pieces)
        await job.begin()
        other = engine.submit(lambda job: iter([b"x"]))
        assert await joined(other) == b"x"  # its turn comes when the first has no room left
        assert len(made) <= 5
        return len(await joined(job)), engine.open

    assert run(scene) == (10 * LIMITS.serve_buffer_bytes, 0) and len(made) == 40


def test_cancelled_work_is_closed_on_its_thread_and_its_place_is_free_at_once():
    closed, going = threading.Event(), threading.Event()

    def pieces(job):
        try:
            while True:
                going.set()
                yield b"x"
        finally:
            closed.set()

    async def scene(engine):
        engine.start()
        job = engine.submit(pieces)
        await job.begin()
        job.cancel()
        assert engine.open == 0 and engine.cancelled == 1
        job.cancel()
        until(closed.is_set)
        return await joined(job), engine.cancelled

    assert run(scene) == (b"", 1) and going.is_set()


def test_what_is_too_much_is_refused_and_what_waits_is_sent_away_at_the_end():
    async def scene(engine):
        jobs = [engine.submit(lambda job: iter([b"x"])) for _ in range(2)]
        with pytest.raises(TemporaryError) as busy:
            engine.submit(lambda job: iter([b"x"]))
        assert busy.value.code == "serve.busy" and engine.wait_seconds() >= 1
        engine.drain()
        for job in jobs:
            with pytest.raises(TemporaryError, match="stopping"):
                await job.begin()
        with pytest.raises(TemporaryError) as stopping:
            engine.submit(lambda job: iter([b"x"]))
        return stopping.value.code, engine.open

    assert run(scene, queue=2) == ("serve.draining", 0)


def test_errors_reach_the_reader_and_not_the_other_jobs():
    def bad(error, after):
        def pieces(job):
            yield from [b"x"] * after
            raise error

        return pieces

    async def scene(engine):
        engine.start()
        early = engine.submit(bad(DataError("no."), 0))
        with pytest.raises(DataError):
            await early.begin()
        early.cancel()
        late = engine.submit(bad(KeyError("secret"), 2))
        await late.begin()
        with pytest.raises(InternalError) as bug:
            await joined(late)
        assert "secret" not in str(bug.value)
        return await joined(engine.submit(lambda job: iter([b"x"]))), engine.open

    assert run(scene) == (b"x", 0)


def test_no_piece_is_lost_between_the_last_look_and_the_end():
    """The piece and the end come while the reader has seen that nothing is there, and not yet whether anything will be."""

    async def scene(engine):
        job = engine.submit(lambda job: iter([b"x"]))
        looked, taken = False, engine.taken

        def look(job):
            nonlocal looked
            found = taken(job)
            if not looked:
                looked = True
                engine.start()
                until(lambda: job.ended)
            return found

        engine.taken = look
        return await joined(job)

    assert run(scene) == b"x"


def test_many_jobs_on_two_threads_are_each_whole():
    def pieces_of(name):
        def pieces(job):
            for i in range(50):
                job.seconds += 0.1
                yield f"{name}{i} ".encode()

        return pieces

    async def scene(engine):
        engine.start()
        jobs = [engine.submit(pieces_of(name)) for name in range(16)]
        return await asyncio.gather(*map(joined, jobs))

    texts = run(scene, workers=2)
    assert texts == ["".join(f"{name}{i} " for i in range(50)).encode() for name in range(16)]
