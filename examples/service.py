"""A support desk that lets agents read its tickets: a service that publishes tasks and uses the answers.

    python examples/service.py                  # a ticket of its own
    python examples/service.py ticket.txt       # yours; "-" reads standard input

It needs the platform (``mabos up``) and the agents (``mabos worker run examples.agents:agents``).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mabos.consumers import TaskClient
from mabos.producers import TaskProducer
from mabos.schemas.errors import MabosError

TICKET = """\
Hello, my name is Ruth Adeyemi and I ordered a Norden 300 espresso machine on 4 March. It arrived on Monday with a
cracked water tank, so every morning there is a puddle on the counter. I wrote to you twice and got no answer. The
machine itself is lovely: the coffee is hot, the grinder is quiet, and my neighbours are jealous. But the cracked
water tank makes it useless. Please send me a new water tank, or refund my card 4111 1111 1111 1111. You can reach me
at ruth.adeyemi@example.org or on +44 20 7946 0991 after six. If nothing happens by Friday I shall return the machine.
"""
TIMEOUT_S = 10.0


class NoAnswer(Exception):
    """An agent answered, but not with a result."""


def handle_ticket(client: TaskClient, ticket: str) -> None:
    """Have one ticket redacted, then summarized and labelled, and print what came back.

    Raises:
        NoAnswer: An agent refused its task or failed at it.
    """
    redacted = ask(client, "privacy-01", {"action": "redact", "text": ticket})
    print(f"redacted  {', '.join(f'{number} {kind}' for kind, number in redacted['found'].items()) or 'nothing'}")
    text = redacted["text"]
    summary = ask(client, "support-01", {"action": "summarize", "text": text, "sentences": 2})
    for sentence in summary["sentences"]:
        print(f"summary   {sentence}")
    answer = ask(client, "support-02", {"action": "extract_keywords", "text": text, "count": 5})
    print(f"labels    {', '.join(keyword['phrase'] for keyword in answer['keywords'])}")


def ask(client: TaskClient, agent_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Send a task, wait for its outcome, and return the result.

    Raises:
        NoAnswer: The outcome is not ``completed``.
    """
    response = client.call(agent_id=agent_id, payload=payload, timeout_s=TIMEOUT_S)
    if response.status != "completed":
        raise NoAnswer(f"{agent_id} answered {response.status}: {response.error.message if response.error else '-'}")
    return response.result


def file_ticket(ticket: str) -> None:
    """Send the ticket to the archive without waiting for an answer; only its place in the log matters."""
    with TaskProducer.from_settings() as producer:
        receipt = producer.send_task_request(agent_id="archive-01", payload={"action": "word_count", "text": ticket})
        print(f"archived  {receipt.result()}")


def read_ticket(source: str | None) -> str:
    """Return the ticket of a file, of standard input, or the one built in."""
    if source is None:
        return TICKET
    return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")


def main() -> int:
    """Handle one ticket; return the exit code."""
    parser = argparse.ArgumentParser(description="Let agents redact, summarize and label a support ticket.")
    parser.add_argument("ticket", nargs="?", help='a text file, "-" for standard input')
    try:
        ticket = read_ticket(parser.parse_args().ticket)
        with TaskClient.from_settings() as client:
            handle_ticket(client, ticket)
        file_ticket(ticket)
    except (MabosError, NoAnswer, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
