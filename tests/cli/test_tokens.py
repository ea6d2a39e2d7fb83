"""``--token-file`` and the options of TLS and WebSockets, through real processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from certificates import Certificates
from cli.processes import Cli, Starter
from proxyables_cli.exits import Failure
from proxyables_cli.tokens import MOST_BYTES, read_token


def token_file(directory: Path, content: bytes = b"correct horse\n", mode: int = 0o600) -> str:
    path = directory / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b" two words \n\n", b" two words \n"),
        (b"\xff\x00", b"\xff\x00"),
        (b"x" * MOST_BYTES, b"x" * MOST_BYTES),
    ],
)
def test_the_token_is_the_file_but_for_the_line_end(
    tmp_path: Path, content: bytes, token: bytes
) -> None:
    assert read_token(token_file(tmp_path, content)) == token
    assert read_token(token_file(tmp_path, content, 0o400)) == token


def test_without_a_file_there_is_no_token() -> None:
    assert read_token(None) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_token_is_none(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Failure, match="is empty, which is no secret"):
        read_token(token_file(tmp_path, content))


def test_a_file_that_is_too_long_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="has more than 4096 bytes"):
        read_token(token_file(tmp_path, b"x" * (MOST_BYTES + 1)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o644, 0o777])
def test_a_file_that_others_may_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Failure, match=rf"others may reach the token .* \(mode {mode:04o}\)") as it:
        read_token(token_file(tmp_path, mode=mode))
    assert it.value.code == 78
    assert "chmod 600" in it.value.hint
    assert "horse" not in it.value.message


def test_a_link_is_as_good_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(token_file(tmp_path))
    assert read_token(str(tmp_path / "link")) == b"correct horse"
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(Failure, match="others may reach"):
        read_token(str(tmp_path / "link"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot read the token in .*: no such file"):
        read_token(str(tmp_path / "none"))
    with pytest.raises(Failure, match="cannot read the token in .*: is a directory"):
        read_token(str(tmp_path))


def test_a_file_without_a_name_does_not_mean_no_token() -> None:
    with pytest.raises(Failure, match="the file of the token has no name") as caught:
        read_token("")
    assert caught.value.code == 78


def test_the_first_file_that_is_said_counts(tmp_path: Path) -> None:
    path = token_file(tmp_path)
    assert read_token(None, path) == read_token(path, "/no/such") == b"correct horse"
    assert read_token(None, None) is None


# --- the command ---------------------------------------------------------------------------------


def test_every_command_knows_the_token(cli: Cli, serve: Starter) -> None:
    path = token_file(cli.directory)
    server = serve("shop:shop", "--tcp", ":0", "--token-file", path)
    known = ("--token-file", path)
    assert cli("call", server.address, "add", "1", "2", *known).out == "3\n"
    assert cli("get", server.address, "level", *known).out == "1\n"
    assert cli("set", server.address, "level", "5", *known).code == 0
    assert "add" in cli("ls", server.address, *known).out
    assert cli("ping", server.address, "-c", "1", *known).code == 0
    assert "Adds" in cli("describe", server.address, "add", *known).out
    assert cli("repl", server.address, "-c", "obj.level", *known).out == "5\n"


def test_without_the_token_or_with_another_it_is_refused(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--tcp", ":0", "--token-file", token_file(cli.directory))
    result = cli("call", server.address, "add", "1", "2")
    assert result.code == 77
    assert "a token is demanded, and none was given" in result.line
    other = token_file(cli.directory, b"guess")
    result = cli("call", server.address, "add", "1", "2", "--token-file", other)
    assert result.code == 77
    assert "does not know the token" in result.line


@pytest.mark.parametrize("words", [["serve", "shop:shop", "--tcp", ":0"], ["ping", ":1"]])
def test_a_variable_of_the_shell_that_is_empty_lets_nobody_in(cli: Cli, words: list[str]) -> None:
    result = cli(*words, "--token-file", "")
    assert (result.code, result.line.split(";")[0]) == (78, "the file of the token has no name")


def test_a_bad_token_file_is_one_line(cli: Cli) -> None:
    path = token_file(cli.directory, mode=0o644)
    for words in (
        ("serve", "shop:shop", "--tcp", ":0"),
        ("call", ":1", "add"),
        ("repl", ":1", "-c", "1"),
    ):
        result = cli(*words, "--token-file", path)
        assert result.code == 78
        assert "chmod 600" in result.line


def test_a_wide_bind_takes_a_token_or_certificates_of_callers(
    cli: Cli, serve: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = Certificates(tmp_path_factory.mktemp("certificates"))
    wide = ("serve", "shop:shop", "--tcp", "*:0")
    assert cli(*wide).code == 77
    assert cli(*wide, "--tls-cert", files.server).code == 77
    serve(*wide[1:], "--token-file", token_file(cli.directory))
    serve(*wide[1:], "--tls-cert", files.server, "--tls-client-ca", files.ca)


def test_tls_by_options(cli: Cli, serve: Starter, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = Certificates(tmp_path_factory.mktemp("certificates"))
    certificate, key = files.apart()
    server = serve("shop:shop", "--tcp", "localhost:0", "--tls-cert", certificate, "--tls-key", key)
    assert server.address.startswith("tls://localhost:")
    result = cli("call", f"{server.address}?ca={files.ca}", "add", "1", "2")
    assert (result.code, result.out) == (0, "3\n"), result
    result = cli("call", server.address, "add", "1", "2")
    assert result.code == 69
    assert "is not trusted" in result.line
    result = cli("serve", "shop:shop", "--tcp", ":0", "--tls-key", key)
    assert (result.code, "take a certificate: --tls-cert" in result.line) == (2, True), result


def test_tls_files_that_are_of_no_use(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = Certificates(tmp_path_factory.mktemp("certificates"))
    certificate, key = files.apart()
    for words, says in (
        (["--tls-cert", "/no/such"], "cannot read --tls-cert /no/such: no such file"),
        (["--tls-cert", "."], "cannot read --tls-cert .: is a directory"),
        (
            ["--tls-cert", certificate],
            f"no PEM certificate and key can be read from --tls-cert {certificate}; if the key is"
            " in a file of its own, give --tls-key",
        ),
        (
            ["--tls-cert", certificate, "--tls-key", files.client],
            "the key is not that of the certificate:"
            f" --tls-cert {certificate} and --tls-key {files.client}",
        ),
        (["--tls-cert", files.server, "--tls-client-ca", key], f"from --tls-client-ca {key}"),
    ):
        result = cli("serve", "shop:shop", "--tcp", ":0", *words)
        assert (result.code, says in result.line) == (78, True), result
        assert "tls://" not in result.line
    told = cli("serve", "shop:shop", "--tcp", ":0", env={"PROXYABLES_TLS_CERT": "none"})
    assert (told.code, told.line) == (
        78,
        "cannot read PROXYABLES_TLS_CERT none: no such file or directory",
    )


def test_websockets_by_options(cli: Cli, serve: Starter) -> None:
    server = serve("shop:shop", "--ws", ":0/px", "--origin", "https://app.example")
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/px", server.address)
    assert cli("call", server.address, "add", "1", "2").out == "3\n"
    result = cli("call", server.address + "x", "add", "1", "2")
    assert result.code == 69
    assert "HTTP 404" in result.line
    result = cli("serve", "shop:shop", "--ws", ":0", "--origin", "app.example")
    assert result.code == 2
    assert "an origin is SCHEME://HOST" in result.line


def test_the_environment_may_name_the_file(cli: Cli, serve: Starter) -> None:
    path = token_file(cli.directory)
    server = serve("shop:shop", "--tcp", ":0", "--token-file", path)
    named = {"PROXYABLES_TOKEN_FILE": path}
    assert cli("call", server.address, "add", "1", "2", env=named).out == "3\n"
