"""Writes the golden records beside it, by the Avro specification and without the code that they test.

Run it only when the contract gains a field; a golden record that exists must never change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VERBS = ["other", "cancel"]
STATUSES = ["in_progress", "completed", "failed", "rejected", "cancelled", "expired", "timed_out"]


def number(value: int) -> bytes:
    zigzag = value * 2 if value >= 0 else -value * 2 - 1
    out = []
    while zigzag > 127:
        out.append(zigzag % 128 + 128)
        zigzag //= 128
    return bytes([*out, zigzag])


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return number(len(data)) + data


def moment(value: int | None) -> bytes:
    return number(0) if value is None else number(1) + number(value)


def request(schema_id: int, fields: dict[str, Any]) -> bytes:
    body = text("TaskRequest") + text(fields["task_id"]) + text(fields["agent_id"]) + text(fields["payload_json"])
    return b"\0" + schema_id.to_bytes(4, "big") + body + moment(fields["deadline_ms"])


def response(schema_id: int, fields: dict[str, Any]) -> bytes:
    body = text("TaskResponse") + text(fields["task_id"]) + text(fields["agent_id"])
    body += number(STATUSES.index(fields["status"])) + text(fields["result_json"])
    error = fields["error"]
    if error is None:
        body += number(0)
    else:
        body += number(1) + text(error["code"]) + text(error["message"]) + (b"\1" if error["retryable"] else b"\0")
    return b"\0" + schema_id.to_bytes(4, "big") + body + number(fields["attempt"]) + moment(fields["started_at_ms"])


def control(schema_id: int, fields: dict[str, Any]) -> bytes:
    body = text("TaskControl") + text(fields["task_id"]) + text(fields["agent_id"])
    return b"\0" + schema_id.to_bytes(4, "big") + body + number(VERBS.index(fields["verb"])) + text(fields["reason"])


def main() -> None:
    plain = {"task_id": "t-1", "agent_id": "agent-7", "payload_json": '{"action":"add"}', "deadline_ms": None}
    answer = {"task_id": "t-1", "agent_id": "agent-7", "status": "completed", "result_json": '{"sum":3}'}
    answer |= {"error": None, "attempt": 1, "started_at_ms": 1_790_000_000_123}
    failure = {"code": "handler_error", "message": "division by zero, naïve ÷", "retryable": True}
    cancel = {"task_id": "t-1", "agent_id": "agent-7", "verb": "cancel", "reason": ""}
    cases: dict[str, tuple[int, dict[str, Any]]] = {
        "request_plain": (1, plain),
        "request_deadline": (7, plain | {"deadline_ms": 1_790_000_000_123}),
        "request_latest_deadline": (2**31 - 1, plain | {"deadline_ms": 253_402_300_799_999}),
        "request_unicode": (258, plain | {"task_id": "naïve ✓ 任务", "agent_id": "агент 🤖"}),
        "request_longest_ids": (1, plain | {"task_id": "x" * 255, "agent_id": "é" * 127 + "x"}),
        "request_63_and_64_bytes": (1, plain | {"task_id": "x" * 63, "agent_id": "y" * 64}),
        "response_plain": (2, answer),
        "response_error": (2, answer | {"status": "failed", "result_json": "{}", "error": failure, "attempt": 5}),
        "response_final": (2, answer | {"error": failure | {"retryable": False}, "attempt": 2**31 - 1}),
        "response_never_ran": (3, answer | {"status": "expired", "attempt": 0, "started_at_ms": None}),
        "response_in_progress": (3, answer | {"status": "in_progress"}),
        "response_timed_out": (3, answer | {"status": "timed_out", "attempt": 64}),
        "control_cancel": (3, cancel),
        "control_reason": (3, cancel | {"agent_id": "агент 🤖", "reason": "asked twice ✓"}),
        "control_longest": (3, cancel | {"task_id": "x" * 255, "agent_id": "é" * 127 + "x", "reason": "é" * 500}),
        "control_other": (3, cancel | {"verb": "other"}),
    }
    for name, (schema_id, fields) in cases.items():
        write = {"request": request, "response": response, "control": control}[name.partition("_")[0]]
        golden = {"schema_id": schema_id, "fields": fields, "hex": write(schema_id, fields).hex()}
        file = Path(__file__).with_name(f"{name}.json")
        file.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
