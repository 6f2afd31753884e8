"""The agents of MABOS, as an example: they summarize, count, describe and redact what services send them.

Run them from the folder that holds ``examples``::

    mabos worker run examples.agents:agents

The payload's ``action`` picks the handler; an action that none of them knows is answered ``rejected``.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from examples.text import KINDS, Kind, count_words, describe_csv, extract_keywords, redact, summarize
from mabos.consumers import AgentGroup, Reject, Task

agents = AgentGroup("mabos")


def _refuse_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, Field(max_length=500_000), AfterValidator(_refuse_blank)]


class Summarize(BaseModel):
    """Payload of ``summarize``."""

    text: Text
    sentences: int = Field(default=3, ge=1, le=20)


class ExtractKeywords(BaseModel):
    """Payload of ``extract_keywords``."""

    text: Text
    count: int = Field(default=8, ge=1, le=50)


class DescribeCsv(BaseModel):
    """Payload of ``describe_csv``."""

    csv: Text


class Redact(BaseModel):
    """Payload of ``redact``. ``kinds`` narrows down what is looked for."""

    text: Text
    kinds: list[Kind] = Field(default=list(KINDS), min_length=1)


class Echo(BaseModel, extra="allow"):
    """Payload of ``test`` and ``echo``: anything."""

    action: str


@agents.on_task_request("summarize")
async def summarize_text(payload: Summarize) -> dict[str, Any]:
    """Answer with the sentences that stand for the whole text."""
    # A long text takes a second of computing; on the event loop it would hold up every other agent.
    chosen = await asyncio.to_thread(summarize, payload.text, payload.sentences)
    return {"summary": " ".join(chosen), "sentences": chosen}


@agents.on_task_request("extract_keywords")
def name_keywords(payload: ExtractKeywords) -> dict[str, Any]:
    """Answer with the words and phrases the text is about, best first."""
    return {"keywords": [asdict(keyword) for keyword in extract_keywords(payload.text, payload.count)]}


@agents.on_task_request("word_count")
def count_text(task: Task) -> dict[str, Any]:
    """Answer with the size of the text. It takes the whole task, to show how a payload is checked by hand."""
    text = task.payload.get("text")
    if not isinstance(text, str):
        raise Reject("must be a string", field="payload.text")
    if not text.strip():
        raise Reject("must not be blank", field="payload.text")
    counts = count_words(text)
    frequent = [{"word": word, "occurrences": number} for word, number in counts.frequent]
    return {**asdict(counts), "frequent": frequent, "agent_id": task.agent_id}


@agents.on_task_request("describe_csv")
def describe_table(payload: DescribeCsv) -> dict[str, Any]:
    """Answer with the type and the figures of each column."""
    try:
        description = describe_csv(payload.csv)
    except ValueError as error:
        raise Reject(str(error), field="payload.csv") from error
    columns = [
        {key: value for key, value in asdict(column).items() if value is not None and key != "top"}
        | {"top": [{"value": value, "occurrences": number} for value, number in column.top]}
        for column in description.columns
    ]
    return {"delimiter": description.delimiter, "rows": description.rows, "columns": columns}


@agents.on_task_request("redact")
def redact_text(payload: Redact) -> dict[str, Any]:
    """Answer with the text without its private data."""
    return asdict(redact(payload.text, payload.kinds))


@agents.on_task_request("test")
async def answer_test(payload: Echo) -> dict[str, Any]:  # noqa: ARG001 - whatever it holds
    """Answer that the road is open."""
    return {"message": "Task completed successfully"}


@agents.on_task_request("echo")
async def answer_echo(payload: Echo) -> dict[str, Any]:
    """Answer with what was sent."""
    return {"message": "Task completed successfully", "echo": payload.model_dump(exclude={"action"})}
