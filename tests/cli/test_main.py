"""The command itself: its help is true, its errors are one line, its exit codes mean something."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest
import typer

from mabos.cli.main import app
from tests.cli.command import PROGRAM, ROOT, InProcess, Mabos, Typed


@pytest.fixture
def typed(lone_mabos: Mabos, in_process: InProcess) -> Typed:
    """The command where nothing answers."""
    return in_process(lone_mabos)


def commands(command: Any = None, path: tuple[str, ...] = ("mabos",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command there is, groups included."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_an_example_that_works(path: tuple[str, ...]) -> None:
    """The help ends with an example; it names a real command, and each of its options is taken."""
    epilog = ALL[path].epilog or ""
    examples = re.findall(
        r"mabos [a-z][^.&;]*(?:\.(?:jsonl|avsc|agents:agents)[^.&;]*)?", epilog.split(". Settings")[0]
    )
    assert "Example: " in epilog
    assert any(example.startswith(" ".join(path)) for example in examples)
    for example in examples:
        words = shlex.split(example)[1:]
        group = ALL["mabos",]
        context = group.make_context("mabos", words, resilient_parsing=False)
        while words and words[0] in getattr(group, "commands", {}):
            group = group.commands[words.pop(0)]
        group.make_context(group.name, words, parent=context)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_says_what_it_does(path: tuple[str, ...]) -> None:
    """In a sentence, as does every option and argument."""
    command = ALL[path]
    assert (command.help or "").strip().rstrip(")").endswith((".", ""))
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def test_version(lone_mabos: Mabos) -> None:
    """By itself, with nothing else running or given."""
    done = lone_mabos("--version")
    assert (done.code, done.out, done.err) == (0, f"mabos {version('mabos')}\n", "")


def test_without_a_command_the_help_is_shown(typed: Typed) -> None:
    """Whoever knows nothing sees all commands; a script learns that it was wrong usage."""
    done = typed()
    assert done.code == 2
    assert all(f" {name} " in done.out for (_, name, *_) in (path for path in ALL if len(path) == 2))


def test_help_is_plain_in_a_pipe(typed: Typed) -> None:
    """No colour codes where nobody sees colours."""
    done = typed("send", "-h")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "Example: mabos send" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "No such command 'frobnicate'."),
        ("statsu", "No such command 'statsu'. Did you mean 'status'?"),
        ("send", "give either --agent or --file"),
        ("send -a a -f x", "give either --agent or --file"),
        ("send -f x --payload {}", "the file has a payload, action, task id and deadline per task"),
        ("send -a a --paylod {}", "No such option: --paylod (Possible options: --payload)"),
        ("send -a a extra", "unexpected extra argument"),
        ("send -a a --payload [1]", "payload: must be a JSON object, not an array"),
        ("send -a a --payload @/no/such", "payload: cannot be read: "),
        ("send -a a --deadline soon", "deadline: must be a time such as"),
        ("send -f /no/such.jsonl", "/no/such.jsonl cannot be read: No such file or directory"),
        ("send -a a --queue UPPER", 'MABOS_QUEUE: "UPPER" must be lower-case letters, digits and hyphens'),
        ("call", "Missing option '--agent'"),
        ("call -a a --timeout 0", "Invalid value for '--timeout'"),
        ("send -a a -o xml", "Invalid value for '--output'"),
        ("tasks cancel t", "Missing option '--agent'"),
        ("tasks cancel -a a", "Missing argument 'TASK_ID'"),
        ("worker run", "Missing argument 'MODULE:AGENTS'"),
        ("worker run nonsense", '"nonsense" is not module:name'),
        ("worker run no.such:agents", "module no.such cannot be imported"),
        ("worker run examples.agents:agent", "did you mean examples.agents:agents?"),
        ("worker run examples.agents:agents --instances 0", "Invalid value for '--instances'"),
        ("schema check /no/such.avsc", "schema file cannot be read"),
        ("gateway run --port 70000", "Invalid value for '--port'"),
    ],
)
def test_wrong_usage_is_one_line(typed: Typed, arguments: str, message: str) -> None:
    """Exit code 2, the message says what to mend, and nothing goes to standard output."""
    done = typed(*shlex.split(arguments))
    assert message in done.error
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "MABOS_BOOTSTRAP_SERVER",
            "x:1",
            "MABOS_BOOTSTRAP_SERVER is no setting, did you mean MABOS_BOOTSTRAP_SERVERS?",
        ),
        ("MABOS_BOOTSTRAP_SERVERS", "a:b:c", 'MABOS_BOOTSTRAP_SERVERS: "a:b:c" is not host:port'),
        ("MABOS_GATEWAY_URL", "8000", 'MABOS_GATEWAY_URL: "8000" is not an http:// or https:// URL'),
    ],
)
def test_a_wrong_setting_is_one_line(
    lone_mabos: Mabos, in_process: InProcess, name: str, value: str, message: str
) -> None:
    """It is wrong usage, and the line names the setting."""
    done = in_process(lone_mabos.with_env(**{name: value}))("status")
    assert (done.code, done.error) == (2, f"invalid settings: {message}")


@pytest.mark.parametrize("arguments", ["--help", "tasks list", "lag mabos"], ids=["help", "database", "broker"])
def test_what_a_command_does_not_need_is_not_imported(lone_mabos: Mabos, arguments: str) -> None:
    """The registry's client, the web framework and the web server take longer to import than all our own modules."""
    program = """
import sys
from mabos.cli.main import main
try:
    main()
finally:
    print(*sorted({"authlib", "httpx", "httpx2", "fastapi", "uvicorn"} & set(sys.modules)))
"""
    done = subprocess.run(
        [PROGRAM[0], "-c", program, *arguments.split()], capture_output=True, env=lone_mabos.env, cwd=ROOT, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.decode().splitlines()[-1] == ""


def test_nobody_there_is_one_line_within_seconds(lone_mabos: Mabos) -> None:
    """Exit code 3, and the line says who does not answer, where, and what to do; librdkafka would wait for minutes."""
    no_kafka = "error: no Kafka answers at 127.0.0.1:1: start one with `mabos up`, or set MABOS_BOOTSTRAP_SERVERS"
    no_registry = (
        "error: schema registry at http://127.0.0.1:1 does not answer (Connection refused): start one with `mabos up`"
    )
    expected = {
        "send -a a": no_kafka,
        "call -a a": no_kafka,
        "tasks cancel t -a a": no_kafka,
        "topics diff": no_kafka,
        "topics apply": no_kafka,
        "schema list": no_registry,
        "schema register": no_registry,
        "worker run examples.agents:agents": no_registry,
        "status": "no answer from broker, registry, gateway: `mabos up` starts what is not up on this machine",
    }
    assert lone_mabos("--version").code == 0  # nine that start at once would each compile all modules for themselves
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(expected)) as pool:
        for arguments, done in zip(expected, pool.map(lambda text: lone_mabos(*text.split()), expected), strict=True):
            assert done.code == 3, arguments
            assert done.err.startswith(expected[arguments])
            assert done.err.count("\n") == 1
    assert time.monotonic() - began_s < 20  # of all of them at once, on a busy machine


def test_ctrl_c_is_130_and_silent(lone_mabos: Mabos) -> None:
    """It ends the wait for a broker that does not answer, with no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        with lone_mabos.with_env(MABOS_BOOTSTRAP_SERVERS=servers).start("send", "-f", "-") as running:
            peer, _ = silent.accept()  # it is connected, so it waits for an answer now
            assert running.stop(signal.SIGINT, timeout_s=10) == 130
            peer.close()
        assert running.log() == ""


def test_a_full_disk_is_one_line(lone_mabos: Mabos) -> None:
    """Output that cannot be written is an error, in one line."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [*PROGRAM, "schema", "check", "--offline"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=lone_mabos.env,
            cwd=ROOT,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: output: No space left on device\n"


def test_a_closed_pipe_is_no_error(lone_mabos: Mabos) -> None:
    """Whoever has read enough closes the pipe; the command ends, and says nothing."""
    process = subprocess.Popen(
        [*PROGRAM, "schema", "check", "--offline"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=lone_mabos.env,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 1
