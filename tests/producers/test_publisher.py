"""The core under every producer, with no broker: what happens when nothing can be sent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from mabos.kafka.settings import Settings
from mabos.producers import ProducerStopped, Publisher, PublishFailed, PublishQueueFull, Receipt, Record, RecordTooLarge
from tests.support.nowhere import closed_port
from tests.support.waiting import eventually

MEGABYTE = Record("requests", b"k", bytes(1_000_000))
SMALL = Record("requests", b"k", b"v")


def ignore(error: KafkaError | None, message: Any) -> None:
    """Take a report."""


@pytest.fixture
def servers() -> Iterator[str]:
    with closed_port() as address:
        yield address


def make(servers: str, **options: Any) -> Publisher:
    return Publisher(Settings(bootstrap_servers=servers, **({"publish_timeout_s": 1.0} | options)), client_id="test")


def fill(publisher: Publisher) -> int:
    count = 0
    while publisher.try_publish(MEGABYTE, ignore):
        count += 1
    return count


def test_a_full_queue_refuses_after_its_timeout(servers: str) -> None:
    """The sender waits as long as the setting says, then hears how much is waiting and where."""
    publisher = make(servers, publish_timeout_s=5, queue_full_timeout_s=0.3)
    count = fill(publisher)
    assert count < 140, "128 MiB should be the bound"
    start_s = time.monotonic()
    with pytest.raises(PublishQueueFull, match=rf"held {count} records and stayed full for 0\.3 s.*{servers}"):
        publisher.publish(MEGABYTE, ignore)
    assert time.monotonic() - start_s >= 0.3
    with pytest.raises(PublishQueueFull):
        asyncio.run(publisher.publish_async(MEGABYTE, ignore))
    with pytest.raises(PublishFailed):
        publisher.stop(0)


def test_a_sender_goes_on_when_there_is_room(servers: str) -> None:
    """In a thread and on a loop, which is not blocked meanwhile."""
    publisher = make(servers, queue_full_timeout_s=30)
    fill(publisher)
    publisher.publish(MEGABYTE, ignore)

    async def count_beats_while_sending() -> int:
        beats = 0
        sending = asyncio.ensure_future(publisher.publish_async(MEGABYTE, ignore))
        while not sending.done():
            await asyncio.sleep(0.005)
            beats += 1
        await sending
        return beats

    def is_beating() -> bool:
        fill(publisher)  # on a busy machine room may be there again before the loop runs
        return asyncio.run(count_beats_while_sending()) > 1

    eventually(is_beating)
    publisher.stop()


def test_each_record_gets_one_report(servers: str) -> None:
    """Also where no broker is: after publish_timeout_s it has failed, and may be stored."""
    publisher = make(servers)
    receipts = [Receipt(str(n), publisher) for n in range(100)]
    for receipt in receipts:
        publisher.publish(SMALL, receipt.on_delivery)
    assert publisher.flush() == 0
    for receipt in receipts:
        with pytest.raises(PublishFailed) as caught:
            receipt.result(0)
        assert caught.value.may_be_stored
    publisher.stop()


def test_a_flush_that_is_too_short_says_how_many_are_left(servers: str) -> None:
    """They are still on their way."""
    publisher = make(servers)
    for _ in range(7):
        publisher.publish(SMALL, ignore)
    assert publisher.flush(0.01) == len(publisher) == 7
    assert publisher.flush() == 0
    publisher.stop()


def test_a_stop_says_how_many_were_not_acknowledged(servers: str) -> None:
    """Nobody takes a stop for a success that was none; a second stop says nothing more."""
    publisher = make(servers, publish_timeout_s=30)
    for _ in range(7):
        publisher.publish(SMALL, ignore)
    with pytest.raises(PublishFailed, match=f"7 records were not acknowledged by {servers}") as caught:
        publisher.stop(0.01)
    assert caught.value.may_be_stored
    publisher.stop()
    assert publisher.flush() == 7


def test_a_line_of_the_log_is_no_record_left(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client counts its log lines with the records without a report; a stop that meets some has lost nothing."""

    class Logging:
        """A client without records that logs: a line waits, and twice another comes as soon as one is taken."""

        lines = 1
        to_come = 2

        def __len__(self) -> int:
            return self.lines

        def poll(self, _timeout_s: float) -> int:
            taken, self.lines = self.lines, 0
            if self.to_come:
                self.to_come, self.lines = self.to_come - 1, 1
            return taken

    publisher = Publisher(Settings(bootstrap_servers=servers), client_id="test", has_thread=False)
    monkeypatch.setattr(publisher, "_producer", Logging())
    publisher.stop(0)


def test_a_stopped_publisher_takes_nothing_more(servers: str) -> None:
    """And says so."""
    publisher = make(servers)
    publisher.stop()
    with pytest.raises(ProducerStopped, match="make a new one"):
        publisher.publish(SMALL, ignore)
    with pytest.raises(ProducerStopped):
        asyncio.run(publisher.publish_async(SMALL, ignore))


def test_a_record_that_came_in_while_stopping_still_gets_its_report(servers: str) -> None:
    """The check and the hand-over are two steps, and a stop may come between: nothing is taken and forgotten."""
    publisher = make(servers, publish_timeout_s=0.5)
    stopped = []

    class StoppedMeanwhile(Record):
        """Looked at once the publisher knows that it may send, and before it does."""

        def __iter__(self) -> Iterator[Any]:
            publisher.stop()
            stopped.append(True)
            return super().__iter__()

    receipt = Receipt("t", publisher)
    publisher.publish(StoppedMeanwhile(*SMALL), receipt.on_delivery)
    assert stopped
    assert receipt.is_done


def test_a_flush_does_not_keep_reports_from_who_waits(servers: str) -> None:
    """A thread that waits for one record hears of it while another still flushes all the others."""
    publisher = make(servers, publish_timeout_s=2)
    first = Receipt("first", publisher)
    publisher.publish(SMALL, first.on_delivery)
    heard_s = 0.0

    def wait() -> None:
        nonlocal heard_s
        with pytest.raises(PublishFailed):
            first.result(30)
        heard_s = time.monotonic()

    waiting = threading.Thread(target=wait)
    waiting.start()
    stop = threading.Event()

    def keep_sending() -> None:
        while not stop.wait(0.1):
            publisher.publish(SMALL, ignore)

    sending = threading.Thread(target=keep_sending)
    sending.start()
    flushing = threading.Thread(target=publisher.flush)
    flushing.start()
    waiting.join(30)
    assert heard_s
    assert flushing.is_alive(), "there was always something left to flush"
    stop.set()
    for thread in (sending, flushing):
        thread.join(30)
    publisher.stop()


def test_a_senders_own_error_does_not_end_the_reports(servers: str, caplog: pytest.LogCaptureFixture) -> None:
    """Others still hear of their records; the error is logged."""
    publisher = make(servers, publish_timeout_s=0.5)

    def fail(error: KafkaError | None, message: Any) -> None:
        raise ValueError("in a callback")

    receipts = [Receipt(str(n), publisher) for n in range(3)]
    for receipt in receipts:
        publisher.publish(SMALL, fail)
        publisher.publish(SMALL, receipt.on_delivery)
    for receipt in receipts:
        with pytest.raises(PublishFailed):
            receipt.result(30)
    publisher.stop()
    assert "in a callback" in caplog.text


def test_eight_threads_share_one(servers: str) -> None:
    """Every record of each gets its report."""
    publisher = make(servers)
    counts = [0] * 8

    def send(thread: int) -> None:
        def count(error: KafkaError | None, message: Any) -> None:
            counts[thread] += 1

        for _ in range(500):
            publisher.publish(SMALL, count)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.stop()
    assert counts == [500] * 8


def test_a_record_that_is_too_large_is_refused_at_once(servers: str) -> None:
    """It tells its size and the setting to look at."""
    publisher = make(servers)
    with pytest.raises(RecordTooLarge, match="a record of 5000001 bytes is too large, see MABOS_MAX_PAYLOAD_BYTES"):
        publisher.publish(Record("requests", b"k", bytes(5_000_000)), ignore)
    publisher.stop()


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_FORK = """
import os, sys
from mabos.kafka.settings import Settings
from mabos.producers import ForkedClient, Publisher, Receipt, Record

publisher = Publisher(Settings(bootstrap_servers=sys.argv[1], publish_timeout_s=1), client_id="test")
receipt = Receipt("t", publisher)
publisher.publish(Record("requests", b"k", b"v"), receipt.on_delivery)
child = os.fork()
if not child:
    refused = 0
    for attempt in (
        lambda: publisher.publish(Record("requests", b"k", b"v"), print),
        lambda: publisher.flush(),
        lambda: receipt.result(),
    ):
        try:
            attempt()
        except ForkedClient:
            refused += 1
    publisher.stop()
    if sys.argv[2] == "exit":
        sys.exit(refused)
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("how", ["_exit", "exit"])
def test_a_forked_child_is_told(servers: str, how: str) -> None:
    """Nothing hangs, neither a use in the child nor its end."""
    done = run_script(_FORK, servers, how)
    assert done.stdout == "3\n", done.stderr


_NO_STOP = """
import sys
from mabos.kafka.settings import Settings
from mabos.producers import Publisher, Record

publisher = Publisher(Settings(bootstrap_servers=sys.argv[1], publish_timeout_s=0.5), client_id="test")
publisher.publish(Record("requests", b"k", b"v"), lambda error, message: print("report", error.name()))
"""


def test_a_program_that_ends_without_a_stop_still_waits_for_its_reports(servers: str) -> None:
    """What was handed over is sent, or its failure told, before the interpreter ends."""
    done = run_script(_NO_STOP, servers)
    assert (done.returncode, done.stdout) == (0, "report _MSG_TIMED_OUT\n"), done.stderr
