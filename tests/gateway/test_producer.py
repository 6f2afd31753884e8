"""The lazy producer: made once, tried again after a failure, never by a thousand at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mabos.gateway.producer import LazyProducer
from mabos.kafka.settings import Settings
from mabos.producers import ProducerStopped, PublishFailed
from mabos.schemas.errors import RegistryUnavailable
from tests.gateway.fakes import FakeFactory, FakeProducer, registry_away


class Clock:
    """Monotonic seconds that pass when told."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def test_it_is_made_once_off_the_event_loop() -> None:
    """Many who need it at once get the same, from one call of the factory on another thread."""
    factory, threads = FakeFactory(), []

    def make(settings: Settings) -> FakeProducer:
        threads.append(threading.current_thread())
        return factory(settings)

    async def use() -> None:
        lazy = LazyProducer(Settings(), make)
        assert set(map(id, await asyncio.gather(*(lazy.get() for _ in range(100))))) == {id(factory.producer)}

    asyncio.run(use())
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_it_recovers_by_itself() -> None:
    """After a failure all are told the same for a moment, then the next one tries again, until it is made."""
    factory, clock = FakeFactory(error=registry_away()), Clock()

    async def use() -> None:
        lazy = LazyProducer(Settings(), factory, clock=clock)
        for _ in range(3):
            with pytest.raises(RegistryUnavailable, match="does not answer"):
                await lazy.get()
        assert factory.calls == 1
        clock.now_s = 1.1
        with pytest.raises(RegistryUnavailable):
            await lazy.get()
        assert factory.calls == 2
        factory.error = None
        clock.now_s = 2.2
        assert await lazy.get() is factory.producer
        assert await lazy.get() is factory.producer
        assert factory.calls == 3

    asyncio.run(use())


def test_a_registry_that_hangs_is_said_so() -> None:
    """A caller waits for a bounded time only; the attempt goes on, and the next caller gets what it made."""
    may_answer, factory = threading.Event(), FakeFactory()

    def make(settings: Settings) -> FakeProducer:
        assert may_answer.wait(10)
        return factory(settings)

    async def use() -> None:
        lazy = LazyProducer(Settings(), make, patience_s=0.02)
        with pytest.raises(RegistryUnavailable, match="has not answered yet"):
            await lazy.get()
        attempt = lazy.start()
        assert attempt is not None
        may_answer.set()
        await attempt
        assert await lazy.get() is factory.producer

    asyncio.run(use())
    assert factory.calls == 1


def test_a_caller_that_leaves_does_not_end_the_attempt_of_the_others() -> None:
    """Cancelling one waiter leaves the attempt to the rest."""
    may_answer, factory = threading.Event(), FakeFactory()

    def make(settings: Settings) -> FakeProducer:
        assert may_answer.wait(10)
        return factory(settings)

    async def use() -> None:
        lazy = LazyProducer(Settings(), make)
        one, other = asyncio.ensure_future(lazy.get()), asyncio.ensure_future(lazy.get())
        await asyncio.sleep(0)
        one.cancel()
        may_answer.set()
        assert await other is factory.producer
        with pytest.raises(asyncio.CancelledError):
            await one

    asyncio.run(use())


def test_a_stop_waits_for_the_attempt_and_stops_what_it_made() -> None:
    """No producer is left running behind a stop, and none is handed out after it."""
    may_answer, factory = threading.Event(), FakeFactory()

    def make(settings: Settings) -> FakeProducer:
        assert may_answer.wait(10)
        return factory(settings)

    async def use() -> None:
        lazy = LazyProducer(Settings(), make)
        lazy.start()
        stopping = asyncio.ensure_future(lazy.stop())
        await asyncio.sleep(0)
        may_answer.set()
        await stopping
        with pytest.raises(ProducerStopped):
            await lazy.get()

    asyncio.run(use())
    assert len(factory.producer.stopped_with_s) == 1


def test_a_stop_that_loses_tasks_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The process ends all the same."""

    async def use() -> None:
        factory = FakeFactory()
        factory.producer.stop_with = PublishFailed("3 records were not acknowledged", may_be_stored=True)
        lazy = LazyProducer(Settings(), factory)
        await lazy.get()
        await lazy.stop()

    asyncio.run(use())
    assert "3 records were not acknowledged" in caplog.text


def test_an_outage_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand requests during an outage are not a thousand lines."""
    caplog.set_level("INFO", logger="mabos.gateway")
    factory, clock = FakeFactory(error=registry_away()), Clock()

    async def use() -> None:
        lazy = LazyProducer(Settings(), factory, clock=clock)
        for _ in range(5):
            clock.now_s += 2
            with pytest.raises(RegistryUnavailable):
                await lazy.get()
        factory.error = None
        clock.now_s += 2
        await lazy.get()

    asyncio.run(use())
    assert [record.levelname for record in caplog.records if record.name == "mabos.gateway"] == ["WARNING", "INFO"]
