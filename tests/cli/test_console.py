"""The words of ``repl``."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyables_cli.console import ReplOptions, run, split
from proxyables_cli.exits import Code, Failure


def test_words_are_addresses_then_a_script_and_its_words(tmp_path: Path) -> None:
    script = tmp_path / "run.pxs"
    script.write_text("")
    assert split((":9000",)) == ([":9000"], None, [])
    assert split(("bank=/tmp/b.sock", "audit=:9000")) == (
        ["bank=/tmp/b.sock", "audit=:9000"],
        None,
        [],
    )
    assert split((":9000", str(script), "-x", ":1")) == ([":9000"], str(script), ["-x", ":1"])
    assert split(("missing.py",)) == ([], "missing.py", [])
    assert split(()) == ([], None, [])
    assert split(("exec:python x.py",)) == (["exec:python x.py"], None, [])


def test_what_is_neither_is_bad_usage() -> None:
    with pytest.raises(Failure, match="9000") as caught:
        split(("9000",))
    assert caught.value.code is Code.USAGE


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ReplOptions(words=(":1", "x.py"), code="1"), "exclude each other"),
        (ReplOptions(words=(":1",), name="a b"), "Python name"),
        (ReplOptions(words=(":1",), name="_x"), "Python name"),
    ],
)
def test_options_that_make_no_sense(options: ReplOptions, says: str) -> None:
    with pytest.raises(Failure, match=says):
        run(options)
