"""The configuration file: what is read from it, who wins, and what is wrong with one."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cli.processes import Cli, Server
from proxyables_cli import commands, config, fastpath
from proxyables_cli.configuration import DEFAULTS, Configuration, find
from proxyables_cli.exits import Code, Failure
from proxyables_cli.main import main
from proxyables_cli.options import Command, Common, build, configurable
from proxyables_cli.settings import Settings

TEXT = """\
# a comment that stays
[serve]
threads = 4  # four
grace = "3s"
listen = [":9000", "unix:/tmp/x.sock"]
strict = true

[defaults]
timeout = 2.5
color = "never"

[aliases]
shop = "tcp://127.0.0.1:9"
safe = {address = "unix:/tmp/y.sock", token-file = "/etc/token"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    return path


def options(*words: str) -> object:
    asked = fastpath.parse(words)
    assert asked is not None
    return asked.options


def test_the_file_speaks_of_what_was_not_typed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYABLES_CONFIG", str(file))
    found = vars(options("serve", "x"))
    assert found["threads"] == 4
    assert found["grace"] == 3.0
    assert found["listen"] == (":9000", "unix:/tmp/x.sock")
    assert found["strict"] is True
    assert found["color"] == "never"
    assert vars(options("call", ":1", "x"))["timeout"] == 2.5


def test_typed_before_environment_before_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXYABLES_THREADS", "5")
    config = ("--config", str(file))
    assert vars(options("serve", "x", "--threads", "6", *config))["threads"] == 6
    assert vars(options("serve", "x", *config))["threads"] == 5
    monkeypatch.delenv("PROXYABLES_THREADS")
    assert vars(options("serve", "x", *config))["threads"] == 4
    assert vars(options("serve", "x"))["threads"] == 1


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot read the configuration .*nobody") as caught:
        options("serve", "x", "--config", str(tmp_path / "nobody"))
    assert caught.value.code is Code.CONFIGURATION


def test_the_users_own_file_need_not_be_there(tmp_path: Path) -> None:
    found = find(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert found.path == str(tmp_path / "proxyables" / "config.toml")
    assert found.tables == {}
    relative = find(None, {"XDG_CONFIG_HOME": "here", "HOME": str(tmp_path)})
    assert "here" not in relative.path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[serve]\nthreds = 1", "serve has no option 'threds'; did you mean 'threads'?"),
        ("[serve]\nthreads = 'x'", "serve.threads takes a whole number, got 'x'"),
        ("[serve]\nthreads = true", "serve.threads takes N, got true"),
        ("[serve]\nthreads = [1]", r"serve.threads takes N, got \[1\]"),
        ("[serve]\nstrict = 'maybe'", "serve.strict takes yes or no, got 'maybe'"),
        ("[serve]\nconfig = 'x'", "serve has no option 'config'"),
        ("[serve]\nlisten = [1]", r"serve.listen takes ADDRESS, got \[1\]"),
        ("[defaults]\ncolor = 'red'", "defaults.color takes one of auto, always, never"),
        ("threads = 1", "'threads' stands in no table; write options in the table"),
        ("[serve", "it is not TOML: expected"),
        (f"[serve]\nthreads = {'9' * 5000}", "it is not TOML: exceeds the limit"),
        ('[serve]\ntoken-file = "a\\u0000b"', r"serve.token-file takes no NUL, got 'a\\x00b'"),
        ('[serve]\nallow = ["a\\u0000b"]', "serve.allow takes no NUL, got"),
        ("[serve]\ntcp = '47233'", r"serve.tcp takes \[HOST\]:PORT; .* write a port as :47233"),
        ("[serve]\nlisten = ['x', ':1']", "serve.listen takes ADDRESS; 'x': a port is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(Failure) as caught:
        options("serve", "x", "--config", str(path))
    assert caught.value.code is Code.CONFIGURATION
    told = f"{caught.value.message}; {caught.value.hint}"
    assert told.startswith(f"{path}: ")
    assert re.search(says, told), told


def test_nothing_and_no_are_said_as_well(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[serve]\nthreads = 0\nkeepalive = 0.0\nstrict = false\nlisten = []")
    found = vars(options("serve", "x", "--config", str(path)))
    assert (found["threads"], found["keepalive"], found["strict"]) == (0, 0.0, False)
    assert found["listen"] == ()


def test_permissions_that_toml_has_read_already(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for written in ('"0660"', "660"):
        path.write_text(f"[serve]\nunix-mode = {written}")
        assert vars(options("serve", "x", "--config", str(path)))["unix_mode"] == 0o660
    for written in ("0o660", "0o600", "432"):
        path.write_text(f"[serve]\nunix-mode = {written}")
        with pytest.raises(Failure, match='takes permissions in quotes, such as "0660", got'):
            options("serve", "x", "--config", str(path))


WRITTEN = (
    *("true", "false", "0", "1", "-1", "[]", "[1]", "[':1']", "{}", "432", "2026-01-01"),
    *("''", "'yes'", "'a b'", "'1'"),
)
OWN = [
    (command, row)
    for command in commands.every()
    for row in configurable(command.options)
    if command.name == "ping" or row not in configurable(Common)
]


def test_what_is_checked_is_what_commands_take(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for command, row in OWN:
        for written in WRITTEN:
            path.write_text(f"[{command.name}]\n{row.key} = {written}\n")
            taken = told_by(partial(takes, command, path))
            assert told_by(partial(config.check, Configuration(str(path)))) == taken
        path.write_text(f"[{DEFAULTS}]\n{row.key} = {{}}\n")
        taken = told_by(partial(takes, command, path))
        assert f"{DEFAULTS}.{row.key} takes " in taken
        # Another command may have an option of that name, and is asked first.
        checked = told_by(partial(config.check, Configuration(str(path))))
        assert f"{DEFAULTS}.{row.key} takes " in checked


def takes(command: Command, path: Path) -> None:
    keys = [row.key for row in configurable(command.options)]
    build(command.options, {}, Settings(command.name, keys, {}, Configuration(str(path))))


def told_by(look: Callable[[], object]) -> str:
    try:
        look()
    except Failure as failure:
        assert failure.code is Code.CONFIGURATION
        return failure.message
    return ""


def test_a_default_is_one_for_all_that_have_the_option(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[defaults]\nname = 'a b'")
    with pytest.raises(Failure, match=r"defaults\.name takes a Python name; 'a b' cannot be"):
        config.check(Configuration(str(path)))


def test_other_commands_do_not_mind(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[serve]\nthreds = 1")
    assert vars(options("ping", ":1", "--config", str(path)))["address"] == ":1"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(Failure, match="it is not UTF-8 text"):
        _ = Configuration(str(path)).tables


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(Failure, match="more than 1048576 bytes"):
        _ = Configuration("/dev/zero").tables


# ---- the environment, and the file, where a value shows itself wrong late


@pytest.mark.parametrize(
    ("variable", "value", "words", "says"),
    [
        ("TCP", "47233", ["serve", "x"], "takes [HOST]:PORT; 'tcp://47233': write a port as"),
        ("LISTEN", '"x', ["serve", "x"], "it takes words, quoted as in a shell, got '\"x'"),
        ("LISTEN", "x", ["bridge", "./a"], "takes ADDRESS; 'x': a port is missing"),
        ("LISTEN", "@nobody", ["serve", "x"], "there is no alias '@nobody'"),
        ("LISTEN", "tls://h:0?cert=none", ["serve", "x"], "cannot read cert=none: no such"),
        ("LISTEN", ":1 :1", ["serve", "x"], "the listener tcp://127.0.0.1:1 is given twice"),
        ("UNIX", "/", ["serve", "x"], "takes PATH; 'unix:/': this names a directory"),
        ("FD", "-1", ["serve", "x"], "takes N; 'fd:-1': write fd:3"),
        ("WS", "x:y", ["serve", "x"], "takes [HOST]:PORT[/PATH]; 'ws://x:y': 'y' is not a port"),
        ("ORIGIN", "x", ["serve", "x"], "takes ORIGIN; an origin is SCHEME://HOST[:PORT]"),
        ("UNIX_GROUP", "no such", ["serve", "x"], "takes GROUP; there is no group 'no such'"),
        ("UNIX_MODE", "9", ["serve", "x"], "takes permissions such as 0600"),
        ("MAX_STREAMS", "0", ["serve", "x"], "takes a positive number"),
        ("MAX_CONNECTIONS", "0", ["serve", "x"], "takes a positive number"),
        ("NAME", "a/b", ["serve", "x"], "'a/b' is no name for a socket"),
        ("NAME", "a b", ["repl", "-c", "1"], "takes a Python name; 'a b' cannot be"),
        ("APP_DIR", "none", ["serve", "x"], "--app-dir 'none' is not a directory"),
        ("ENV_FILE", "none", ["serve", "x"], "cannot read the environment in none"),
        ("TOKEN_FILE", "none", ["serve", "x"], "cannot read the token in none"),
        ("TOKEN_FILE", "none", ["ping", ":1"], "cannot read the token in none"),
        ("TOKEN_FILE", "none", ["bridge", "-l", ":0", "./a"], "--token-file is for --shared"),
        ("READY_FD", "77", ["serve", "x"], "--ready-fd 77: bad file descriptor"),
        ("ONCE", "yes", ["serve", "x", "--workers", "2"], "--workers and --once exclude each"),
        ("STARTUP", "none", ["repl", "-c", "1"], "cannot read the script 'none'"),
        ("CODE", "1", ["repl", "x.py"], "-c and the script 'x.py' exclude each other"),
        ("ARGS_JSON", "none", ["call", ":1", "f"], "cannot read 'none'"),
        ("CONFIG", "none", ["ping", ":1"], "cannot read the configuration none"),
        ("FACTORY", "yes", ["serve", "sys:path", "--tcp", ":0"], "cannot be called"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(
    variable: str,
    value: str,
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv(f"PROXYABLES_{variable}", value)
    code = main(words)
    shown = capsys.readouterr()
    assert (code, shown.out) == (Code.CONFIGURATION, ""), shown
    assert f"PROXYABLES_{variable}" in shown.err
    assert says in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("TOKEN_FILE", ["alias", "list"]),
        ("TOKEN_FILE", ["bridge", "./none"]),
        ("IDLE_TIMEOUT", ["bridge", "./none"]),
        ("RECONNECT", ["bridge", "./none"]),
        ("RELOAD_DIR", ["serve", "no_such_module"]),
    ],
)
def test_a_default_waits_for_when_it_has_a_meaning(
    variable: str, words: list[str], cli: Cli
) -> None:
    result = cli(*words, env={f"PROXYABLES_{variable}": "1"})
    assert result.code in (0, Code.NO_CONNECTION, Code.NO_TARGET), result


# ---- the command


def test_show_tells_where_each_value_was_said(cli: Cli, file: Path) -> None:
    shown = cli("config", "show", "serve", "--config", str(file), env={"PROXYABLES_NAME": "s"})
    assert (shown.code, shown.err) == (0, "")
    rows = {row["option"]: row for row in map(json.loads, shown.out.splitlines())}
    assert (rows["threads"]["value"], rows["threads"]["origin"]) == (4, f"{file}: serve.threads")
    assert (rows["name"]["value"], rows["name"]["origin"]) == ("s", "PROXYABLES_NAME")
    assert (rows["keepalive"]["value"], rows["keepalive"]["origin"]) == (None, "default")


def test_show_without_a_command_tells_what_is_set(cli: Cli, file: Path) -> None:
    shown = cli("config", "--config", str(file))
    rows = [json.loads(line) for line in shown.out.splitlines()]
    told = {(row["command"], row["option"]) for row in rows}
    assert told == {
        ("serve", "threads"),
        ("serve", "grace"),
        ("serve", "listen"),
        ("serve", "strict"),
        ("*", "timeout"),
        ("*", "color"),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[srve]\n", "there is no command 'srve'; did you mean 'serve'?"),
        ("[defaults]\ncolour = 1", "defaults has no option 'colour'; did you mean 'color'?"),
        ("[call]\ntimeout = 'soon'", "call.timeout takes a duration such as 500ms"),
        ("[aliases]\nx = 'nowhere'", "aliases.x: 'nowhere': "),
        ("[aliases]\nx = '@y'\ny = ':1'", "aliases.x: an alias stands for an address, not for"),
        ("[aliases]\nx = 5", 'aliases.x is no address; write x = "ADDRESS"'),
        ("[aliases]\nx = {address = ':1', token = 'y'}", "aliases.x has no 'token'"),
    ],
)
def test_check_looks_at_everything(cli: Cli, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    checked = cli("config", "check", "--config", str(path))
    assert checked.code == Code.CONFIGURATION
    assert says in checked.line


def test_a_name_may_be_one_to_listen_at(cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    for address in ("*:9000", ":0"):
        assert cli("alias", "add", "wide", address, "-q", env=env).err == ""
        assert cli("config", "check", "-q", env=env).err == ""


def test_edit_opens_the_editor_and_checks(cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), "EDITOR": "sh -c 'echo [x] >$0'"}
    edited = cli("config", "edit", env=env)
    assert edited.code == Code.CONFIGURATION
    assert "there is no command 'x'" in edited.line
    assert cli("config", "edit", env=env | {"EDITOR": "false"}).code == 1
    blank = env | {"VISUAL": " ", "EDITOR": "sh -c 'rm $0'"}
    assert cli("config", "edit", env=blank).code == 0  # and not the file itself was run
    missing = cli("config", "edit", env=env | {"EDITOR": "no-such-editor"})
    assert (missing.code, "set EDITOR" in missing.line) == (Code.CONFIGURATION, True)
    assert cli("config", "path", env=env).out == f"{tmp_path}/proxyables/config.toml\n"


def test_a_file_that_is_wrong_can_be_mended(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "proxyables" / "config.toml"
    path.parent.mkdir()
    env = {"XDG_CONFIG_HOME": str(tmp_path), "EDITOR": "sh -c 'echo [serve] >$0'"}
    for wrong in ("[serve", "[config]\nnonsense = 1"):
        path.write_text(wrong)
        assert cli("config", "path", env=env).out == f"{path}\n"
        assert cli("config", "check", env=env).code == Code.CONFIGURATION
        assert cli("config", "edit", env=env).code == 0
        assert path.read_text() == "[serve]\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["shw"], "config has no action 'shw'; did you mean 'show'?"),
        (["path", "serve"], "config path takes no command, got 'serve'"),
        (["show", "srve"], "there is no command 'srve'; did you mean 'serve'?"),
    ],
)
def test_bad_usage_of_config(cli: Cli, words: list[str], says: str) -> None:
    result = cli("config", *words)
    assert (result.code, result.line) == (Code.USAGE, says)


# ---- aliases


def test_an_alias_stands_for_its_address(cli: Cli, shop: Server, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    added = cli("alias", "add", "shop", shop.address, env=env)
    assert (added.code, added.out, added.err) == (0, "", "")
    assert cli("call", "@shop", "add", "2", "3", env=env).out == "5\n"
    assert cli("ls", "@shop", env=env).code == 0
    assert cli("repl", "s=@shop", "-c", "s.add(2, 3)", env=env).out == "5\n"
    unknown = cli("call", "@shp", "add", env=env)
    assert (unknown.code, "did you mean 'shop'?" in unknown.line) == (Code.USAGE, True)
    unknown = cli("repl", "@shp", "-c", "1", env=env)
    assert (unknown.code, "did you mean 'shop'?" in unknown.line) == (Code.USAGE, True)


def test_aliases_are_kept_in_the_file_beside_what_it_holds(cli: Cli, file: Path) -> None:
    config = ("--config", str(file))
    os.chmod(file, 0o644)
    assert cli("alias", "add", "new", ":1", "--token-file", "/t", *config).err == ""
    again = cli("alias", "add", "@shop", ":2", *config)
    assert again.line == "@shop stood for tcp://127.0.0.1:9"
    assert cli("alias", "remove", "safe", *config).code == 0
    text = file.read_text()
    assert text.startswith("# a comment that stays\n[serve]\nthreads = 4  # four\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = [json.loads(line) for line in cli("alias", *config).out.splitlines()]
    assert rows == [
        {"name": "shop", "address": ":2"},
        {"name": "new", "address": ":1", "token_file": "/t"},
    ]
    assert sorted(path.name for path in file.parent.iterdir()) == ["config.toml", "shop.py"]


def test_aliases_are_one_table(cli: Cli, file: Path) -> None:
    table = cli("alias", "-o", "table", "--config", str(file)).out.splitlines()
    assert [line.split() for line in table if "─" not in line] == [
        ["name", "address", "token_file"],
        ["shop", "tcp://127.0.0.1:9"],
        ["safe", "unix:/tmp/y.sock", "/etc/token"],
    ]
    shown = cli("config", "show", "-o", "table", "--config", str(file)).out.splitlines()
    assert [line.split()[0] for line in shown].count("command") == 1
    assert len(shown) == 8


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("./x.sock", "{}/x.sock"),
        ("unix:x.sock", "unix:{}/x.sock"),
        ("unix:../x.sock", "unix:{}/x.sock"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:@x", "unix:@x"),
    ],
)
def test_a_relative_path_is_made_absolute(
    cli: Cli, tmp_path: Path, written: str, kept: str
) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    cli("alias", "add", "x", written, env=env)
    where = tmp_path.parent if ".." in written else tmp_path
    assert json.loads(cli("alias", "list", env=env).out)["address"] == kept.format(where)


def test_a_token_of_all_connections_is_not_that_of_a_name(cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), "PROXYABLES_TOKEN_FILE": "/etc/token"}
    cli("alias", "add", "x", ":1", env=env)
    assert json.loads(cli("alias", "list", env=env).out) == {"name": "x", "address": ":1"}


def test_the_token_of_an_alias_is_used(cli: Cli, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o600)
    server = Server(cli, ["shop:shop", "--tcp", ":0", "--token-file", str(token)])
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    cli("alias", "add", "shop", server.address, "--token-file", str(token), env=env)
    assert cli("call", "@shop", "add", "1", "1", env=env).out == "2\n"
    assert cli("call", server.address, "add", "1", "1", env=env).code == Code.REFUSED


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ad"], "alias has no action 'ad'; did you mean 'add'?"),
        (["add", "x"], "alias add got 1 word; alias add NAME ADDRESS"),
        (["add", "x", "y"], "'y'"),
        (["add", "x", "@y"], "an alias stands for an address, not for another one, '@y'"),
        (["add", "a/b", ":1"], "an alias is '@' and letters"),
        (["remove", "x"], "there is no alias @x"),
        (["remove", "x", "--token-file", "y"], "--token-file says nothing to alias remove"),
    ],
)
def test_bad_usage_of_alias(cli: Cli, tmp_path: Path, words: list[str], says: str) -> None:
    result = cli("alias", *words, env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert result.code == Code.USAGE
    assert says in result.line


def test_a_configuration_that_cannot_be_written(cli: Cli) -> None:
    result = cli("alias", "add", "x", ":1", env={"XDG_CONFIG_HOME": "/dev/null/x"})
    assert (result.code, "cannot write" in result.line) == (Code.CONFIGURATION, True)


# ---- waiting for a server, and forms of output


@pytest.mark.parametrize("words", [["call", "add", "2", "3"], ["repl", "-c", "obj.add(2, 3)"]])
def test_wait_is_for_a_server_that_comes_up(cli: Cli, words: list[str]) -> None:
    command, *rest = words
    path = cli.directory / "late.sock"
    waiting = cli.start(command, f"unix:{path}", *rest, "--wait", "30s")
    server = Server(cli, ["shop:shop", "--unix", str(path)])
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, out, err) == (0, b"5\n", b"")
    server.stop()
    gone = cli(command, f"unix:{path}", *rest, "--wait", "200ms")
    assert (gone.code, "cannot connect" in gone.line) == (Code.NO_CONNECTION, True)


def test_lines_and_tables(cli: Cli, shop: Server) -> None:
    rows = ['{"name": "a", "n": 1}', '{"name": "bc", "n": 20}']
    lines = cli("call", shop.address, "echo", *rows, "-o", "jsonl")
    assert lines.out == '{"name":"a","n":1}\n{"name":"bc","n":20}\n'
    table = cli("call", shop.address, "echo", *rows, "-o", "table")
    assert [line.split() for line in table.out.splitlines()[::2]] == [["name", "n"], ["a", "1"]]
    plain = cli("call", shop.address, "add", "1", "2", "-o", "table")
    assert plain.out == "3\n"


def test_the_signature_is_asked_where_a_word_looks_like_json(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "texts.py").write_text(
        "class Texts:\n    def echo(self, text: str, other=None):\n        return [text, other]\n"
    )
    server = Server(cli, ["texts:Texts", "--factory", "--tcp", ":0"])
    assert cli("call", server.address, "echo", "12", "12").out == '["12",12]\n'
    assert cli("call", server.address, "echo", ":=12", "other=12").out == "[12,12]\n"
    given = cli("call", server.address, "echo", "--args-json", "-", stdin=b'{"text": 5}')
    assert given.out == "[5,null]\n"
    assert cli("call", server.address, "ecoh", "12").code == 1
