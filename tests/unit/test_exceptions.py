"""Exceptions across the wire: types, chains, frames, and what hostile ones try."""

from __future__ import annotations

import array
import builtins
import datetime
import decimal
import itertools
import math
import pathlib
import pickle
import traceback
import uuid
from typing import Any

import pytest

import proxyables
from proxyables.errors import AccessDenied, LimitExceeded, ReferenceNotFound, RemoteError
from proxyables.limits import Limits
from proxyables.wire import exceptions
from proxyables.wire.exceptions import dump_exception, load_exception

LIMITS = Limits()


def cross(error: BaseException) -> RemoteError:
    return load_exception(dump_exception(error, LIMITS), LIMITS)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Boom"),
        KeyError("k"),
        IndexError(),
        OSError(2, "No such file", "/x"),
        FileNotFoundError(2, "No such file"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        SyntaxError("bad", ("f", 1, 2, "text")),
        ZeroDivisionError("division by zero"),
        MemoryError("no more"),
        TimeoutError(),
        NotImplementedError("x"),
        ImportError("no module"),
        RecursionError("deep"),
        MemoryError("full"),
        BufferError(),
        ConnectionResetError(104, "reset"),
        TabError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_builtin_exceptions_are_themselves_and_remote(error: Exception) -> None:
    loaded = cross(error)
    assert isinstance(loaded, type(error))
    assert isinstance(loaded, RemoteError)
    assert str(loaded) == str(error)
    assert loaded.args == error.args
    assert loaded.type_name == type(error).__name__


def test_their_fields_are_set() -> None:
    missing: Any = cross(FileNotFoundError(2, "No such file", "/x"))
    assert (missing.errno, missing.strerror, missing.filename) == (2, "No such file", "/x")
    text: Any = cross(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))
    assert (text.encoding, text.object, text.reason) == ("utf-8", b"\xff", "invalid")


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "CancelledError"]
)
def test_exceptions_that_steer_the_interpreter_do_not_act_here(name: str) -> None:
    loaded = load_exception({"type": name, "module": "builtins", "message": "x"}, LIMITS)
    assert type(loaded) is RemoteError
    assert loaded.type_name == name
    assert str(loaded) == f"{name}: x"


def test_unknown_types_keep_their_name() -> None:
    class Custom(Exception):
        pass

    loaded = cross(Custom("mine"))
    assert type(loaded) is RemoteError
    assert loaded.type_name.endswith("Custom")
    assert str(loaded).endswith("Custom: mine")


def test_refusals_arrive_as_refusals() -> None:
    assert type(cross(AccessDenied("no"))) is AccessDenied
    assert type(cross(ReferenceNotFound("gone"))) is ReferenceNotFound
    assert isinstance(cross(AccessDenied("no")), PermissionError)


def test_limits_arrive_as_limits_with_their_fields() -> None:
    loaded: Any = cross(raised(LimitExceeded("max_calls", 1, 2, "calls")))
    for error in (loaded, cross(loaded), pickle.loads(pickle.dumps(loaded))):
        assert isinstance(error, LimitExceeded)
        assert isinstance(error, RemoteError)
        assert isinstance(error, ValueError)
        assert (error.limit, error.allowed, error.got) == ("max_calls", 1, 2)
        assert str(error) == "calls: 2 is over the limit max_calls=1"
        assert error.type_name == "LimitExceeded"


@pytest.mark.parametrize(
    "state", [None, 5, {}, {"limit": 5, "allowed": "x", "got": [], "message": "no", "args": 1}]
)
def test_a_limit_that_lies_has_fields_of_the_right_types(state: object) -> None:
    told = {"type": "LimitExceeded", "module": "proxyables", "message": "m", "state": state}
    loaded: Any = load_exception(told, LIMITS)
    assert isinstance(loaded, LimitExceeded)
    assert (loaded.limit, str(loaded.allowed), str(loaded.got)) == ("", "nan", "nan")
    assert (loaded.message, loaded.args) == ("m", ("m",))


def test_a_limit_with_what_cannot_be_told_is_told_without_it() -> None:
    told = dump_exception(LimitExceeded("x", 1, object()), LIMITS)  # type: ignore[arg-type]
    assert told["state"] == {"limit": "x", "allowed": 1}


def test_a_limit_is_one_of_ours_by_its_module_alone() -> None:
    told = {"type": "LimitExceeded", "module": "elsewhere", "message": "m"}
    assert type(load_exception(told, LIMITS)) is RemoteError


def test_cause_context_notes_and_frames_are_kept() -> None:
    error = raised(ValueError("outer"), KeyError("inner"))
    error.add_note("look here")
    loaded = cross(error)
    assert isinstance(loaded.__cause__, KeyError)
    assert loaded.__notes__[0] == "look here"
    assert loaded.frames[-1].function == "raised"
    assert loaded.frames[-1].file == __file__
    context = cross(_with_context())
    assert isinstance(context.__context__, KeyError)
    assert not context.__suppress_context__


def test_frames_of_every_side_stand_outermost_first() -> None:
    loaded = cross(raised(ValueError("far away")))

    def calls_there() -> None:
        raise loaded

    try:
        calls_there()
    except RemoteError as error:
        through = cross(error)
    functions = [frame.function for frame in through.frames]
    assert functions[-2:] == ["calls_there", "raised"]
    assert [frame.function for frame in cross(through).frames] == functions


def _with_context() -> BaseException:
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904  # the context is what is tested
    except ValueError as caught:
        return caught


def test_groups_keep_their_members() -> None:
    loaded = cross(ExceptionGroup("many", [ValueError("a"), KeyError("b")]))
    assert loaded.type_name == "ExceptionGroup"
    assert isinstance(loaded, ExceptionGroup)
    assert [type(member).__name__ for member in loaded.exceptions] == ["ValueError", "KeyError"]
    caught = []
    try:
        raise loaded
    except* KeyError as group:
        caught += group.exceptions
    except* ValueError as group:
        caught += group.exceptions
    assert [str(each) for each in caught] == ["'b'", "a"]


def test_a_group_has_its_own_text_however_often_it_is_passed_on() -> None:
    group: Any = ExceptionGroup("jobs", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])])
    for _ in range(3):
        group = cross(group)
        assert group.message == "jobs"
        assert str(group) == "jobs (2 sub-exceptions)"
        assert group.args[0] == "jobs"
        inner = group.exceptions[1]
        assert (inner.message, str(inner)) == ("more", "more (1 sub-exception)")
        matching, rest = group.split(KeyError)
        assert str(matching) == str(rest) == "jobs (1 sub-exception)"
    again = pickle.loads(pickle.dumps(group))
    assert [type(member).__name__ for member in again.exceptions] == [
        "ValueError",
        "ExceptionGroup",
    ]


@pytest.mark.parametrize("members", [None, [], 5])
def test_a_group_without_members_is_none(members: object) -> None:
    for module, name in (("builtins", "ExceptionGroup"), (__name__, "Jobs")):
        told = {"type": name, "module": module, "message": "m", "args": ["m"], "group": members}
        assert type(load_exception(told, LIMITS)) is RemoteError


@proxyables.register_exception
class Jobs(ExceptionGroup[Exception]):
    pass


def test_a_registered_group_is_itself() -> None:
    loaded: Any = cross(Jobs("jobs", [ValueError("a")]))
    assert isinstance(loaded, Jobs)
    assert (loaded.message, str(loaded.exceptions[0])) == ("jobs", "a")


def test_what_builtin_exceptions_hold_besides_their_arguments_arrives() -> None:
    missing: Any = cross(cross(AttributeError("a", name="n")))
    assert (missing.name, missing.args) == ("n", ("a",))
    module: Any = cross(ModuleNotFoundError("m", name="n", path="p"))
    assert (module.name, module.path) == ("n", "p")
    assert cross(NameError("m", name="n")).name == "n"  # type: ignore[attr-defined]
    link: Any = cross(cross(OSError(2, "no", "/f", None, "/g")))
    assert (link.filename, link.filename2, link.errno) == ("/f", "/g", 2)
    nothing: Any = cross(ImportError("m"))
    assert (nothing.name, nothing.path) == (None, None)
    lying = {"type": "ImportError", "module": "builtins", "state": {"name": 5, "args": 7}}
    told: Any = load_exception(lying, LIMITS)
    assert (told.name, told.args) == (None, ("",))


@pytest.mark.parametrize(
    "value",
    [
        {"code": 1, "where": ["a", ("b", None)]},
        [1, [2.5, b"x"]],
        {1, frozenset({2})},
        datetime.date(2024, 1, 2),
        datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC),
        datetime.timedelta(1, 2),
        decimal.Decimal("1.50"),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("/a"),
        1 + 2j,
        1 << 70,
    ],
    ids=repr,
)
def test_arguments_that_are_small_values_arrive_as_themselves(value: Any) -> None:
    (arrived,) = cross(KeyError(value)).args
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [object()],
        {"x": ValueError},
        [0] * 1000,
        [[[[[[[[1]]]]]]]],
        ["x" * 20_000],
        datetime.datetime(2024, 1, 2, tzinfo=type("Zone", (datetime.tzinfo,), {})()),
        array.array("i", [1]),
    ],
    ids=["object", "in a list", "a class", "long", "deep", "large", "a zone", "an array"],
)
def test_arguments_that_are_anything_else_arrive_as_text(value: Any) -> None:
    loaded = cross(ValueError(value))
    assert loaded.args == (loaded.message,)


def test_a_list_that_holds_itself_is_no_argument() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert cross(ValueError(endless)).args == ("[[...]]",)


def test_cyclic_and_endless_causes_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(cross(first).__cause__, ValueError)
    error = ValueError("0")
    for number in range(1000):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    depth, link = 0, cross(error)
    while link is not None:
        depth, link = depth + 1, link.__cause__  # type: ignore[assignment]
    assert depth <= 10


def test_an_exception_whose_text_raises_is_told_all_the_same() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    assert "no text: RuntimeError" in cross(Hostile()).message


def test_a_text_of_megabytes_is_cut() -> None:
    assert len(cross(ValueError("x" * 10_000_000)).message) == LIMITS.max_text


@pytest.mark.parametrize(
    "told",
    [
        None,
        5,
        [],
        {},
        {"type": 5, "module": [], "message": {}},
        {"type": "UnicodeDecodeError", "module": "builtins", "message": "m", "args": [1]},
        {"type": "OSError", "module": "builtins", "message": "m", "args": [1, 2, 3, 4, 5, 6]},
        {"type": "ValueError", "module": "os", "message": "m"},
        {"type": "__import__", "module": "builtins", "message": "m"},
        {"type": "ValueError", "notes": 5, "frames": [1, [2], ["f", "x", 3, None]], "cause": 5},
        {"type": "ValueError", "group": [1, None, {}], "context": "x", "suppress": "yes"},
    ],
    ids=str,
)
def test_maps_that_lie_still_give_an_exception(told: object) -> None:
    loaded = load_exception(told, LIMITS)
    assert isinstance(loaded, RemoteError)
    assert isinstance(str(loaded), str)
    with pytest.raises(RemoteError):
        raise loaded


@proxyables.register_exception
class Registered(Exception):
    def __init__(self, code: int, thing: object) -> None:
        raise_if_run.append(code)
        super().__init__(f"code {code}")
        self.code = code
        self.thing = thing


raise_if_run: list[int] = []


def test_registered_exceptions_arrive_as_themselves_without_running_their_constructor() -> None:
    error = Registered(7, object())
    raise_if_run.clear()
    loaded = cross(error)
    assert isinstance(loaded, Registered)
    assert isinstance(loaded, RemoteError)
    assert str(loaded) == "code 7"
    assert loaded.code == 7
    assert not hasattr(loaded, "thing")
    assert raise_if_run == []


class Vanished(FileNotFoundError):
    def __new__(cls, *args: object) -> Vanished:
        raise AssertionError("it runs code of its own")


class Full(MemoryError):
    pass


class Garbled(UnicodeDecodeError):
    pass


@pytest.mark.parametrize("cls", [Vanished, Full, Garbled])
def test_registered_exceptions_may_extend_any_builtin_one(cls: Any) -> None:
    proxyables.register_exception(cls)
    base = cls.__base__
    error = base.__new__(cls, "utf-8", b"", 0, 1, "bad")
    error.args = ("text", 5)
    loaded = cross(error)
    assert isinstance(loaded, cls)
    assert isinstance(loaded, RemoteError)
    assert loaded.args == ("text", 5)


@pytest.mark.parametrize("cls", [BaseException, SystemExit, StopIteration, RemoteError, int, 5])
def test_what_would_act_here_cannot_be_registered(cls: Any) -> None:
    with pytest.raises(TypeError):
        proxyables.register_exception(cls)


def test_a_printed_traceback_shows_remote_frames_apart() -> None:
    import traceback

    told = dump_exception(raised(ValueError("Boom")), LIMITS)
    told["frames"].append(["/x\x1b[2J.py", 3, "far\x1b]0;x\x07\u202e", "evil()\x07"])
    text = "".join(traceback.format_exception(load_exception(told, LIMITS)))
    assert "Boom\nRemote traceback (most recent call last):\n" in text
    assert f'File "{__file__}"' in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"line 3, in far\x1b]0;x\x07\u202e" in text
    again = cross(load_exception(told, LIMITS))
    assert len(again.__notes__) == 1


def test_a_remote_error_can_be_passed_on() -> None:
    loaded = cross(cross(ValueError("Boom")))
    assert isinstance(loaded, ValueError)
    assert loaded.type_name == "ValueError"
    unknown = load_exception({"type": "Far", "module": "far.away", "message": "m"}, LIMITS)
    assert cross(unknown).type_name == "Far"
    assert cross(unknown).module == "far.away"


def test_a_remote_error_can_be_pickled() -> None:
    loaded = pickle.loads(pickle.dumps(cross(ValueError("Boom"))))
    assert isinstance(loaded, ValueError)
    assert str(loaded) == "Boom"


HOSTILE: list[Any] = [
    *(None, True, -1, 1 << 70, "x", b"x", math.nan, "\ud800", (), ("a",), "x" * 20_000),
    *(("a", 1, 2, "t"), ("a", 1 << 70, 2, "t", 1, 1), [], {}, [1]),
    *(("a", 1, 2, 5), ("a", 1, 2, ["t"]), ({}, 1, 2, "t"), ("a", "1", [], "t"), {"a": [1]}),
]


@pytest.mark.parametrize("name", sorted(exceptions._BUILTINS))
def test_every_builtin_can_be_told_with_any_arguments(name: str) -> None:
    for size in range(6):
        combinations = itertools.product(HOSTILE[:: 1 if size < 3 else 4], repeat=size)
        for args in itertools.islice(combinations, 300):
            told = {"type": name, "module": "builtins", "message": "m", "args": list(args)}
            error = load_exception(told, Limits())
            assert isinstance(error, getattr(builtins, name))
            assert error.message == "m"
            assert repr(error)
            assert traceback.format_exception_only(error)
