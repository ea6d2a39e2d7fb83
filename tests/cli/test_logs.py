"""What the library logs, on standard error."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys

import pytest

from cli.processes import COMMAND, PATIENCE, Cli, Starter, until
from proxyables_cli import logs
from proxyables_cli.log_forms import NOTICES
from proxyables_cli.options import Common


@pytest.fixture
def logger() -> logging.Logger:
    """The library's logger."""
    return logging.getLogger("proxyables")


def test_remote_text_cannot_break_out_of_its_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Common())
    logger.getChild("peer").warning("%s said %s", "it", "a\nproxyables: fake\x1b[2J")
    assert capsys.readouterr().err == "proxyables: warning: it said a proxyables: fake\\x1b[2J\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Common(), ["warning", "error"]),
        (Common(quiet=True), ["error"]),
        (Common(verbose=True), ["info", "warning", "error"]),
        (Common(debug=True), ["debug", "info", "warning", "error"]),
        (Common(log_level="info"), ["info", "warning", "error"]),
        (Common(log_level="error", debug=True), ["error"]),
        (Common(log_level="warning", quiet=True), ["warning", "error"]),
    ],
)
def test_the_options_choose_the_level(
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    options: Common,
    said: list[str],
) -> None:
    logs.configure(options)
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)("x")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"proxyables: {level}: x" for level in said]


def test_an_exception_is_told_in_the_line_and_shown_with_debug(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            logger.exception("a call failed")

    logs.configure(Common())
    fail()
    assert capsys.readouterr().err == "proxyables: error: a call failed: RuntimeError: broken\n"
    logger.handlers.clear()
    logs.configure(Common(debug=True))
    fail()
    shown = capsys.readouterr().err
    assert "in fail" in shown
    assert shown.endswith("proxyables: error: a call failed\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Common(), "sh[1]: it said\\x1b[2J so\n"),
        (Common(verbose=True), "sh[1]: it said\\x1b[2J so\n"),
        (Common(quiet=True), ""),
    ],
)
def test_what_children_say_is_passed_on_under_their_names(
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    options: Common,
    said: str,
) -> None:
    logs.configure(options, logging.ERROR)  # the level of the commands that dial
    logger.getChild("child").warning("%s: %s", "sh[1]", "it said\x1b[2J so")
    assert capsys.readouterr().err == said


# -- forms ----------------------------------------------------------------------------------------

NASTY = 'it said "a=b\\"\nproxyables: fake\x1b[2J\u202e'


def log_nastily(logger: logging.Logger) -> None:
    try:
        raise RuntimeError("bro\nken")
    except RuntimeError:
        logger.exception("%s", NASTY)
    logging.getLogger(NOTICES).info("serving %s", NASTY)


def test_json_is_one_object_a_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Common(log_format="json"))
    log_nastily(logger.getChild("peer"))
    first, second = capsys.readouterr().err.splitlines()
    assert (first + second).isascii()
    told = json.loads(first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "level": "error",
        "logger": "proxyables.peer",
        "pid": os.getpid(),
        "message": NASTY,
        "error": "RuntimeError: bro\nken",
    }
    assert json.loads(second)["message"] == f"serving {NASTY}"
    logs.configure(Common(log_format="json", debug=True))
    log_nastily(logger)
    traced = json.loads(capsys.readouterr().err.splitlines()[0])
    assert "in log_nastily" in traced["traceback"]


def test_logfmt_quotes_what_is_no_plain_word(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Common(log_format="logfmt"))
    log_nastily(logger)
    logger.warning("plain")
    first, _, third = capsys.readouterr().err.splitlines()
    assert first.isascii()
    assert f" level=error logger=proxyables pid={os.getpid()} message={json.dumps(NASTY)} " in first
    assert first.endswith(' error="RuntimeError: bro\\nken"')
    assert third.endswith(" message=plain")


def test_the_journal_gets_priorities(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Common(log_format="journald", debug=True))
    log_nastily(logger)
    for level in ("debug", "info", "warning", "critical"):
        getattr(logger, level)("x")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "<3>Traceback (most recent call last):"
    assert [line[:3] for line in lines[-6:]] == ["<3>", "<5>", "<7>", "<6>", "<4>", "<2>"]
    assert all(line[3:].isprintable() for line in lines)


def test_the_journal_is_known_by_its_descriptor(cli: Cli) -> None:
    script = (
        "import os, sys, logging\n"
        "from proxyables_cli import logs\n"
        "from proxyables_cli.options import Common\n"
        "found = os.fstat(2)\n"
        "os.environ['JOURNAL_STREAM'] = f'{found.st_dev}:{found.st_ino + int(sys.argv[1])}'\n"
        "logs.configure(Common())\n"
        "logging.getLogger('proxyables').warning('x')\n"
    )
    for offset, expected in (("0", b"<4>x\n"), ("1", b"proxyables: warning: x\n")):
        words = [sys.executable, "-c", script, offset]
        made = subprocess.run(words, env=cli.env, capture_output=True, check=True)
        assert made.stderr == expected


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--workers", "2"]])
def test_a_hang_up_opens_the_file_again(cli: Cli, serve: Starter, words: list[str]) -> None:
    path, old = cli.directory / "p.log", cli.directory / "p.log.1"
    words = [*words, "--log-file", "p.log", "--log-level", "debug", "--log-format", "json"]
    server = serve("shop:shop", "--tcp", ":0", *words)
    assert cli("call", server.address, "add", "2", "3").out == "5\n"
    until(lambda: "introduced" in path.read_text())
    path.rename(old)
    server.process.send_signal(signal.SIGHUP)

    def is_new() -> bool:
        cli("call", server.address, "add", "2", "3")
        return path.exists() and "introduced" in path.read_text()

    until(is_new)
    result = server.stop()
    assert result.code == 0
    assert [line for line in result.err.splitlines() if "debug" in line] == []
    for line in (path.read_text() + old.read_text()).splitlines():
        assert set(json.loads(line)) >= {"time", "level", "logger", "pid", "message"}
    assert "serving shop:shop on" in old.read_text()


def test_a_text_file_has_times(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--log-file", "p.log", "-v")
    assert server.lines[0].startswith("proxyables: serving shop:shop on ")
    assert server.stop().code == 0
    line = (cli.directory / "p.log").read_text().splitlines()[0]
    assert re.match(r"\S+Z serving shop:shop on tcp://", line)


def test_a_file_that_cannot_be_written(cli: Cli) -> None:
    result = cli("serve", "shop:shop", "--tcp", ":0", "--log-file", "none/p.log")
    assert result.code == 73
    assert result.line == "cannot write the log none/p.log: no such file or directory"


def test_a_file_that_cannot_be_written_any_more_is_told_once(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--log-file", "/dev/full", "--log-level", "debug")
    assert cli("call", server.address, "add", "2", "3").out == "5\n"
    result = server.stop()
    assert result.code == 0
    assert result.err.count("cannot write the log /dev/full: [Errno 28]") == 1
    assert "Traceback" not in result.err


def test_a_hang_up_ends_a_server_only_with_its_terminal(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0")
    server.process.send_signal(signal.SIGHUP)  # a daemon's standard streams are pipes here
    assert cli("call", server.address, "add", "2", "3").out == "5\n"
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, "serve", "shop:shop", "--unix", "p.sock"],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=cli.directory,
            env=cli.env,
        ) as process:
            assert process.stderr is not None
            while b"try: " not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGHUP)
            assert process.wait(PATIENCE) == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert not (cli.directory / "p.sock").exists()


# ---- the last line of a command that fails

FAILING = [
    (["serve", "nobody:x", "--tcp", ":0"], 66, "no module named 'nobody'"),
    (["serve", "quiet:thing", "--tcp", "0.0.0.0:0"], 77, "--insecure"),
    (
        ["serve", "quiet:thing", "--tcp", ":0", "--workers", "2", "--factory"],
        66,
        "cannot be called",
    ),
    (["call", "./nobody.sock", "add"], 69, "cannot connect"),
    (["bridge", "exec:no-such-program"], 127, "cannot start"),
]


@pytest.mark.parametrize(("words", "code", "said"), FAILING, ids=lambda each: str(each)[:40])
@pytest.mark.parametrize("how", ["option", "option=", "environment", "configuration"])
def test_a_failure_is_in_the_form_of_the_log(
    cli: Cli, words: list[str], code: int, said: str, how: str
) -> None:
    (cli.directory / "quiet.py").write_text("thing = [1]\n")
    (cli.directory / "conf.toml").write_text("[defaults]\nlog-format = 'json'\n")
    given = {
        "option": ["--log-format", "json"],
        "option=": ["--log-format=json"],
        "environment": [],
        "configuration": ["--config", "conf.toml"],
    }[how]
    env = {"PROXYABLES_LOG_FORMAT": "json"} if how == "environment" else {}
    result = cli(*words, *given, env=env)
    assert (result.code, result.out) == (code, "")
    told = [json.loads(line) for line in result.err.splitlines()][-1]
    assert (told["level"], told["logger"], told["exit"]) == ("error", "proxyables", code)
    assert said in told["message"]
    assert "traceback" not in told


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("logfmt", r'time=\S+ level=error .* message="cannot connect .*" exit=69\n'),
        ("journald", r"<3>cannot connect to unix:\./nobody\.sock: .*\n"),
        ("text", r"proxyables: cannot connect to unix:\./nobody\.sock: .*\n"),
    ],
)
def test_a_failure_in_the_other_forms(cli: Cli, form: str, pattern: str) -> None:
    result = cli("ls", "./nobody.sock", "--log-format", form)
    assert re.fullmatch(pattern, result.err), result


def test_a_command_line_that_makes_no_sense_is_told_in_the_form_it_asks_for(cli: Cli) -> None:
    result = cli("serve", "x:y", "--no-such-option", "--log-format", "json")
    assert (result.code, json.loads(result.err)["exit"]) == (2, 2)
    result = cli("serve", "x:y", "--threads", "many", env={"PROXYABLES_LOG_FORMAT": "json"})
    assert (result.code, json.loads(result.err)["exit"]) == (2, 2)
    result = cli("serve", "x:y", "--log-format", "jason")
    assert (result.code, "got 'jason'" in result.line) == (2, True)


def test_a_failure_with_its_traceback(cli: Cli) -> None:
    result = cli("ls", "./nobody.sock", "--log-format", "json", "--debug")
    told = json.loads(result.err.splitlines()[-1])
    assert "FileNotFoundError" in told["traceback"]


def test_a_failure_of_a_server_whose_log_is_a_file_is_for_people(cli: Cli) -> None:
    words = ["--log-format", "json", "--log-file", "x.log"]
    result = cli("serve", "nobody:x", "--tcp", ":0", *words)
    assert (result.code, "no module named 'nobody'" in result.line) == (66, True)


def test_a_failure_in_the_journal_has_its_priority(cli: Cli) -> None:
    read, write = os.pipe()
    found = os.fstat(write)
    process = subprocess.Popen(
        [*COMMAND, "ls", "./nobody.sock"],
        stderr=write,
        cwd=cli.directory,
        env=cli.env | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
    )
    os.close(write)
    with open(read, "rb") as file:
        assert file.read().startswith(b"<3>cannot connect to ")
    assert process.wait(PATIENCE) == 69
