"""The gate: what ordinary objects keep, what attackers do not get, and what it never runs."""

from __future__ import annotations

import array
import ast
import asyncio
import bdb
import builtins
import code
import codeop
import collections
import contextlib
import contextvars
import cProfile
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import importlib.util
import inspect
import io
import itertools
import json
import keyword
import logging
import math
import operator
import os
import pathlib
import pickle
import queue
import random
import ssl
import string
import subprocess
import sys
import tempfile
import threading
import types
import typing
import uuid
import weakref
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from names import stable
from proxyables.errors import AccessDenied
from proxyables.limits import Limits
from proxyables.objects.markers import expose, hidden
from proxyables.objects.policy import Policy


def words(text: str) -> list[str]:
    return text.split()


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796  # an alias
    BLUE = 2

    def shout(self) -> str:
        return self.name.upper()


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


class Point(typing.NamedTuple):
    x: int = 0
    y: int = 0


@dataclasses.dataclass
class Record:
    name: str = "r"
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Slotted:
    name: str = "s"


class Meta(type):
    def secret(cls) -> str:
        return "of the metaclass"


class Shop(metaclass=Meta):
    limit = 10
    kind = Color.RED

    class Order:
        pass

    def __init__(self) -> None:
        self.count = 0
        self.items = [1, 2]
        self.table = {"a": 1}
        self.callback = lambda: 1

    def add(self, a: int, b: int = 0) -> int:
        return a + b

    @property
    def total(self) -> int:
        return 3

    @total.setter
    def total(self, value: int) -> None:
        self.count = value

    @property
    def fixed(self) -> int:
        return 4

    @functools.cached_property
    def lazy(self) -> int:
        return 5

    @classmethod
    def build(cls) -> Shop:
        return cls()

    @staticmethod
    def twice(n: int) -> int:
        return 2 * n

    @functools.lru_cache(maxsize=1)  # noqa: B019  # the point is what it leaves in the class
    def cached(self) -> int:
        return 6

    half = functools.partialmethod(add, 1)

    def rows(self) -> Iterator[int]:
        yield 1

    async def later(self) -> int:
        return 7

    @contextlib.contextmanager
    def transaction(self) -> Iterator[int]:
        yield 1

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: object) -> object:
        return key

    def __call__(self) -> int:
        return 8


class Dynamic:
    def __getattr__(self, name: str) -> str:
        return name


class SubString(str):
    def format(self, *args: object, **kwargs: object) -> str:
        return super().format(*args, **kwargs)


def plain_function(n: int) -> int:
    return n


def refused(check: Callable[..., object], *args: object) -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        check(*args)
    return caught.value


def generator() -> Iterator[int]:
    yield 1


@pytest.fixture
def policy() -> Policy:
    return Policy()


# -- ordinary objects keep working ----------------------------------------------------------------

ORDINARY: list[tuple[object, list[str]]] = [
    (
        Shop(),
        words("add total fixed lazy build twice cached half rows later transaction"),
    ),
    (Shop(), words("count items table callback limit kind Order missing")),
    (Record(), ["name", "tags"]),
    (Slotted(), ["name"]),
    (Point(1, 2), words("x y count index")),
    (Color.RED, ["name", "value", "shout"]),
    (Level.LOW, ["name", "value"]),
    (Dynamic(), ["anything", "größe", "名前"]),
    (types.SimpleNamespace(a=1), ["a"]),
    ([1], words("append extend pop sort index")),
    ({"a": 1}, words("get items keys values update setdefault")),
    ({1}, ["add", "discard", "union"]),
    ((1,), ["index", "count"]),
    ("text", words("upper split join replace encode startswith translate")),
    (b"bytes", ["decode", "hex", "split"]),
    (7, ["bit_length", "to_bytes", "real"]),
    (1.5, ["is_integer", "hex"]),
    (collections.deque([1]), words("append popleft rotate maxlen")),
    (collections.Counter("ab"), ["most_common", "elements"]),
    (collections.OrderedDict(a=1), ["move_to_end"]),
    (collections.defaultdict(list), ["default_factory", "get"]),
    (datetime.datetime(2024, 1, 1), words("isoformat year date replace")),
    (decimal.Decimal(1), ["quantize", "as_tuple"]),
    (fractions.Fraction(1, 2), ["numerator", "limit_denominator"]),
    (uuid.UUID(int=1), ["hex", "int", "urn"]),
    (pathlib.PurePosixPath("/a/b"), words("name parent joinpath as_posix")),
    (pathlib.Path("/a/b"), words("name parent parts suffix joinpath as_posix")),
    (ValueError("x"), ["args", "add_note"]),
    (OSError(2, "x"), ["errno", "strerror", "filename"]),
    (io.StringIO(), words("read write getvalue close")),
    (threading.Lock(), ["acquire", "release", "locked"]),
    (queue.Queue(), ["put", "get", "qsize"]),
    (array.array("i"), ["append", "tolist", "typecode"]),
    (random.Random(1), ["random", "choice", "seed"]),
    (generator(), ["send", "throw", "close"]),
    (itertools.count(), []),
    (types.MappingProxyType({"a": 1}), ["get", "keys"]),
    (plain_function, ["calls"]),
    (Shop().add, []),
    (Shop.cached, ["cache_info", "cache_clear"]),
    (Shop().cached, ["cache_info"]),
    (Shop, words("build twice limit kind Order")),
    (Color, ["RED", "CRIMSON", "BLUE"]),
    (Point, []),
    (dict, ["fromkeys"]),
    (bytes, ["fromhex", "maketrans"]),
    (datetime.datetime, ["fromisoformat", "now", "max"]),
]


@pytest.mark.parametrize(
    ("target", "name"), [(target, name) for target, names in ORDINARY for name in names]
)
def test_ordinary_names_of_ordinary_objects_may_be_read(
    policy: Policy, target: object, name: str
) -> None:
    policy.check_get(target, name)
    policy.check_get(target, name)  # and again, out of the cache


LENDABLE: list[object] = [
    *(target for target, _ in ORDINARY),
    None,
    Shop().items.append,
    Shop().table.get,
    random.Random(1).random,
    abs,
    len,
    print,
    sorted,
    "a".upper,
    str.maketrans,
    dict.fromkeys,
    datetime.datetime.now,
    math.sqrt,
    json.dumps,
    functools.partial(plain_function, 1),
    functools.partial(functools.partial(plain_function)),
    operator.itemgetter(1),
    weakref.ref(Shop),
    Record,
    Slotted,
    int,
    str,
    list,
    ValueError,
    KeyboardInterrupt,
    decimal.Decimal,
    pathlib.PurePath,
    range(3),
    iter([1]),
    enumerate([1]),
    AccessDenied("no"),
]


@pytest.mark.parametrize("value", LENDABLE, ids=lambda value: type(value).__name__)
def test_ordinary_values_may_be_results_and_be_called(policy: Policy, value: object) -> None:
    policy.check_value(value)
    policy.check_value(value)
    if callable(value):
        policy.check_call(value)


@pytest.mark.parametrize(
    ("operation", "target"),
    [
        ("len", [1]),
        ("bool", Shop()),
        ("contains", {1: 2}),
        ("iter", Shop()),
        ("next", generator()),
        ("add", 1),
        ("radd", 1),
        ("iadd", [1]),
        ("and_", 1),
        ("eq", Shop),
        ("hash", Shop),
        ("repr", Shop),
        ("dir", Shop),
        ("iter", Color),
        ("len", Color),
        ("contains", Color),
        ("enter", threading.Lock()),
        ("format", "text"),
        ("mod", "%s"),
        ("str", plain_function),
    ],
)
def test_operators_act_on_ordinary_objects(policy: Policy, operation: str, target: object) -> None:
    policy.check_operation(operation, target)


def test_items_of_containers_and_of_ones_own_classes(policy: Policy) -> None:
    for target in ([1], {"a": 1}, (1,), "text", Shop(), collections.deque([1])):
        policy.check_item(target, 0)
        policy.check_set_item(target, 0)
        policy.check_delete_item(target, 0)
    policy.check_item({"_id": 1, "__typename": 2}, "_id")
    policy.check_item({"__class__": 1}, "__class__")
    policy.check_item(Color, "RED")


def test_data_may_be_set_and_deleted(policy: Policy) -> None:
    for target, name in [
        (Shop(), "count"),
        (Shop(), "limit"),
        (Shop(), "total"),
        (Shop(), "fixed"),  # the property itself says no
        (Shop(), "callback"),
        (Shop(), "brand_new"),
        (Slotted(), "name"),
        (Record(), "tags"),
        (types.SimpleNamespace(a=1), "a"),
    ]:
        policy.check_set(target, name)
        policy.check_delete(target, name)


# -- names ----------------------------------------------------------------------------------------

BAD_NAMES: list[object] = [
    "",
    "_",
    "_private",
    "__class__",
    "__dict__",
    "＿class",
    "＿＿class＿＿",
    "ａdd",  # full width
    "ﬁnd",  # a ligature
    "a.b",
    "a b",
    "a\0b",
    "add\n",
    "1a",
    "a" * (Limits().max_name + 1),
    b"add",
    1,
    None,
    ["add"],
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("target", [Shop(), Dynamic(), Shop, {}, plain_function], ids=stable)
def test_what_is_no_public_name_is_refused(policy: Policy, target: object, name: object) -> None:
    for check in (policy.check_get, policy.check_set, policy.check_delete):
        refused(check, target, name)
    assert not policy.passed


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_keywords_are_names(policy: Policy, name: object) -> None:
    policy.check_keywords(["a", "größe"])
    refused(policy.check_keywords, ["a", name])


@given(st.text(max_size=20) | st.binary(max_size=5) | st.integers())
@settings(max_examples=200, deadline=None)
def test_no_name_reaches_what_begins_with_an_underscore(name: Any) -> None:
    target = types.SimpleNamespace()
    try:
        Policy().check_get(target, name)
    except AccessDenied:
        return
    assert not name.startswith("_")
    if not keyword.iskeyword(name):  # what passed is what Python makes of it
        assert ast.parse(name, mode="eval").body.id == name  # type: ignore[attr-defined]


def test_a_refusal_says_the_name_and_nothing_else(policy: Policy) -> None:
    for name in ("_exists", "_missing"):
        target = types.SimpleNamespace(_exists=1)
        error = refused(policy.check_get, target, name)
        assert str(error) == f"access to {name!r} is denied"
        assert isinstance(error, PermissionError)
        assert error.type_name == "AccessDenied"
    long = str(refused(policy.check_get, Shop(), "a" * 1_000_000))
    assert len(long) < 200
    assert str(refused(policy.check_value, logging)) == "access to this value is denied"
    assert str(refused(policy.check_get, Shop(), b"x" * 1000)).endswith("of type bytes is denied")


def test_the_log_gets_the_reason(policy: Policy) -> None:
    assert refused(policy.check_get, "x", "format").extra["reason"] == (
        "'format' of builtins.str reaches behind the object"
    )


# -- attribute escape -----------------------------------------------------------------------------


def failing() -> BaseException:
    try:
        Shop().missing_attribute  # type: ignore[attr-defined]
    except AttributeError as error:
        return error
    raise AssertionError


async def coroutine() -> None: ...


async def async_generator() -> Any:
    yield 1


@contextlib.contextmanager
def manager() -> Iterator[None]:
    yield


def make_coroutine() -> Any:
    made = coroutine()
    made.close()
    return made


ESCAPES: list[tuple[object, list[str]]] = [
    (generator(), words("gi_frame gi_code gi_yieldfrom gi_running")),
    (make_coroutine(), words("cr_frame cr_code cr_await cr_origin send throw")),
    (async_generator(), ["ag_frame", "ag_code", "ag_await"]),
    (inspect.currentframe(), words("f_globals f_back f_locals f_builtins clear")),
    (plain_function.__code__, ["co_consts", "replace", "co_names"]),
    ((lambda: failing)().__closure__ or types.CellType(1), ["cell_contents"]),
    (failing(), ["obj", "with_traceback"]),
    (failing().__traceback__, ["tb_frame", "tb_next"]),
    ("{0.__class__}", ["format", "format_map"]),
    (SubString("{0.__class__}"), ["format", "format_map"]),
    (collections.UserString("{0}"), ["format", "format_map"]),
    (string.Formatter(), ["format", "vformat", "get_field"]),
    (functools.partial(plain_function), ["func", "args", "keywords"]),
    (manager(), words("gen func args kwds")),
    (memoryview(b"abc"), ["obj"]),
    ({}.keys(), ["mapping"]),
    (collections.OrderedDict().values(), ["mapping"]),
    (functools.singledispatch(plain_function), ["register", "registry", "dispatch"]),
    (logging.getLogger("x"), words("manager root handlers parent addHandler info")),
    (os, ["system", "environ", "path"]),
    (sys, ["modules", "exit"]),
    (Shop, words("add total lazy cached half rows mro secret")),
    (Slotted, ["name"]),
    (Color, ["mro", "shout", "name"]),
    (str, words("format upper join mro")),
    (object, ["mro"]),
    (type, ["mro"]),
    (Shop.total, words("fget fset getter setter")),  # type: ignore[attr-defined]
    (Shop.__dict__["lazy"], ["func"]),
    (Shop.__dict__["half"], ["func"]),
    (list[int], ["mro", "append"]),
    (super(Shop, Shop()), ["add"]),
    (weakref.proxy(os), ["system"]),
    (types.MethodType(functools.partial(getattr), 1), ["func"]),
    (
        pathlib.Path("/etc"),
        words("read_text write_text open iterdir unlink cwd exists"),
    ),
    (ctypes.CDLL(None), ["system", "exit"]),
    (importlib.util.find_spec("json"), ["loader"]),
    (contextvars.copy_context(), ["items", "run", "get"]),
    (os.environ, ["get", "items", "copy"]),
]


@pytest.mark.parametrize(
    ("target", "name"),
    [(target, name) for target, names in ESCAPES for name in names],
    ids=lambda value: value if type(value) is str else type(value).__name__,
)
def test_ways_behind_an_object_are_refused(policy: Policy, target: object, name: str) -> None:
    for check in (policy.check_get, policy.check_set, policy.check_delete):
        refused(check, target, name)
    assert name not in policy.visible_names(target)
    assert (type(target), name) not in policy.passed


class Handler(logging.StreamHandler[Any]):
    pass


class OwnModule(types.ModuleType):
    pass


class OwnProperty(property):
    pass


GADGETS: list[object] = [
    os,
    sys,
    OwnModule("own"),
    logging.getLogger("x"),
    logging.getLogger(),
    Handler(),
    Handler,
    logging.LoggerAdapter(logging.getLogger("x")),
    logging.Formatter(),
    string.Formatter(),
    os.environ,
    *(getattr(builtins, name) for name in words("eval exec compile open input getattr setattr")),
    *(getattr(builtins, name) for name in words("delattr hasattr vars globals locals dir id")),
    *(getattr(builtins, name) for name in words("type object super property classmethod")),
    builtins.__import__,
    breakpoint,
    getattr(builtins, "exit", eval),
    Meta,
    enum.EnumMeta,
    types.FunctionType,
    types.CodeType,
    types.ModuleType,
    types.CellType,
    types.GeneratorType,
    types.SimpleNamespace,
    functools.partial,
    functools.reduce,
    operator.attrgetter,
    operator.attrgetter("__class__"),
    operator.methodcaller("__reduce__"),
    operator.itemgetter,
    operator.setitem,
    operator.attrgetter("a.b"),
    functools.partial(getattr, 1),
    functools.partial(functools.partial(eval)),
    os.system,
    os.getcwd,
    os.path.join,
    subprocess.run,
    subprocess.Popen,
    importlib.import_module,
    inspect.getmembers,
    pickle.loads,
    pickle.Unpickler,
    sys._getframe,
    sys.exit,
    threading.Thread,
    pathlib.Path,
    string.Formatter,
    ctypes.CDLL(None),
    ctypes.CDLL(None).abs,
    type("Mapped", (ctypes.Structure,), {"_fields_": []})(),
    importlib.util.find_spec("json"),
    inspect.currentframe(),
    plain_function.__code__,
    failing().__traceback__,
    types.CellType(1),
    Shop.total,  # type: ignore[attr-defined]
    OwnProperty(),
    Shop.__dict__["build"],
    Shop.__dict__["twice"],
    Shop.__dict__["lazy"],
    Shop.__dict__["half"],
    str.format,
    str.upper,
    "{0.__class__}".format,
    "{0.__class__}".format_map,
    Shop.mro,
    Shop().__reduce__,
    Shop().__dir__,
    [].__len__,
    object.__subclasses__,
    int.__add__,
    Slotted.name,
    type.__dict__["__mro__"],
    super(Shop, Shop()),
    dict.__dict__["fromkeys"],
    types.FunctionType.__dict__["__code__"],
    types.DynamicClassAttribute(plain_function),
    functools.singledispatchmethod(plain_function),
    code.InteractiveInterpreter(),
    codeop.Compile(),
    bdb.Bdb(),
    pickle.Pickler(io.BytesIO()),
    pickle._Pickler(io.BytesIO()),  # type: ignore[attr-defined]  # the one written in Python
    importlib.util.find_spec("json").loader,  # type: ignore[union-attr]
    list[int],
    typing.List[int],  # noqa: UP006
    int | str,
    typing.Optional[int],  # noqa: UP045
    weakref.proxy(os),
    weakref.proxy(plain_function),
    contextvars.copy_context(),
    Policy(),
    Policy,
]


@pytest.mark.parametrize("value", GADGETS, ids=lambda value: ascii(type(value).__name__))
def test_gadgets_are_no_results(policy: Policy, value: object) -> None:
    refused(policy.check_value, value)
    assert type(value) not in policy.harmless
    holder = types.SimpleNamespace(public=value)
    assert policy.visible_names(holder) == []
    refused(policy.check_set, holder, "public")
    refused(policy.check_delete, holder, "public")


@pytest.mark.parametrize(
    "module",
    words("loguru._logger structlog.stdlib _cffi_backend zipimport importlib.metadata")
    + words("proxyables.peer.peer proxyables.net.endpoints proxyables.yamux proxyables.proxyable"),
)
def test_machinery_is_known_by_its_package(policy: Policy, module: str) -> None:
    cls = type("Machine", (), {"__module__": module})
    refused(policy.check_value, cls())
    refused(policy.check_value, type("Derived", (cls,), {"__module__": "mine"})())
    policy.check_value(type("Machine", (), {"__module__": f"my_{module}"})())


TOOLS: list[tuple[str, list[str], list[str]]] = [
    ("argparse.ArgumentParser", [], []),
    ("cProfile.Profile", words("run runctx dump_stats"), words("enable disable runcall")),
    ("concurrent.interpreters.Interpreter", [], []),
    ("configparser.ConfigParser", ["read"], words("get sections read_string")),
    ("doctest.DocTestRunner", [], []),
    ("gettext.NullTranslations", ["install"], ["gettext"]),
    ("http.cookiejar.LWPCookieJar", words("load save revert filename"), ["clear"]),
    ("inspect.Signature", ["from_callable"], ["parameters"]),
    ("mailbox.Maildir", words("add_folder get_folder"), words("keys add")),
    ("mimetypes.MimeTypes", ["read"], ["guess_type"]),
    ("modulefinder.ModuleFinder", [], []),
    ("multiprocessing.connection.Connection", ["send_bytes"], words("send recv poll")),
    ("multiprocessing.managers.SyncManager", [], []),
    ("multiprocessing.process.BaseProcess", ["authkey"], words("is_alive terminate name")),
    ("optparse.OptionParser", [], []),
    ("optparse.Values", words("read_file read_module"), []),
    ("pdb.Pdb", [], []),
    ("profile.Profile", words("run runctx dump_stats"), ["runcall"]),
    ("pstats.Stats", words("add dump_stats"), ["sort_stats"]),
    ("rlcompleter.Completer", [], []),
    ("shelve.Shelf", ["dict"], words("get keys sync")),
    ("sqlite3.Connection", ["enable_load_extension"], words("execute commit")),
    (
        "tarfile.TarFile",
        words("add extract extractall open makelink"),
        words("getnames extractfile"),
    ),
    ("trace.CoverageResults", ["write_results"], ["counts"]),
    ("trace.Trace", words("run runctx"), ["runfunc"]),
    ("tracemalloc.Snapshot", words("dump load"), ["statistics"]),
    ("unittest.loader.TestLoader", [], []),
    ("unittest.mock._patch", [], []),
    ("urllib.request.OpenerDirector", [], []),
    ("urllib.robotparser.RobotFileParser", words("read set_url"), ["can_fetch"]),
    ("venv.EnvBuilder", [], []),
    ("weakref.finalize", words("detach peek"), ["alive"]),
    ("webbrowser.GenericBrowser", [], []),
    ("xml.etree.ElementTree.ElementTree", words("parse write"), words("getroot find")),
    ("xml.sax.xmlreader.XMLReader", ["parse"], ["getFeature"]),
    ("zipfile.ZipFile", words("extract extractall write"), words("namelist open read")),
]


@pytest.mark.parametrize(("dotted", "names", "lent"), TOOLS, ids=[row[0] for row in TOOLS])
def test_tools_run_import_and_open_nothing_that_a_peer_names(
    policy: Policy, dotted: str, names: list[str], lent: list[str]
) -> None:
    module, _, name = dotted.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        pytest.skip(f"no {module} in this Python")
    tool = cls.__new__(cls)
    own = type("Own", (cls,), {}) if cls.__flags__ & 1 << 10 else cls
    if not names and not lent:
        refused(policy.check_value, tool)
        refused(policy.check_value, own.__new__(own))
    for refusal in names:
        refused(policy.check_get, tool, refusal)
        refused(policy.check_get, own.__new__(own), refusal)
    for name in lent:
        policy.check_get(tool, name)


def test_what_the_tools_give_otherwise_is_refused_by_name_too(policy: Policy) -> None:
    ffi = pytest.importorskip("cffi").FFI()
    refused(policy.check_value, ffi)
    refused(policy.check_value, ffi.dlopen(None))
    for name in words("load_cert_chain load_verify_locations keylog_filename"):
        refused(policy.check_get, ssl.create_default_context(), name)
    policy.check_get(ssl.create_default_context(), "cert_store_stats")
    refused(policy.check_get, zoneinfo.ZoneInfo("UTC"), "from_file")
    policy.check_get(zoneinfo.ZoneInfo("UTC"), "key")
    with tempfile.TemporaryDirectory() as path:
        directory = tempfile.TemporaryDirectory(dir=path)
        policy.check_get(directory, "name")
        refused(policy.check_set, directory, "name")
        directory.cleanup()


def test_event_loops_are_no_results(policy: Policy) -> None:
    with asyncio.Runner() as runner:
        refused(policy.check_value, runner.get_loop())
        refused(policy.check_value, runner)
    refused(policy.check_value, asyncio.DefaultEventLoopPolicy())


def test_tasks_do_not_give_their_coroutine_away(policy: Policy) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        for name in ("get_coro", "get_stack", "get_context"):
            refused(policy.check_get, task, name)
        policy.check_get(task, "cancel")
        await task

    asyncio.run(main())


def test_numpy_arrays_do_not_write_files(policy: Policy) -> None:
    numpy = pytest.importorskip("numpy")
    for name in ("tofile", "dump", "ctypes", "base"):
        refused(policy.check_get, numpy.zeros(2), name)
    policy.check_get(numpy.zeros(2), "sum")
    policy.check_value(numpy.zeros(2))


def test_numpy_arrays_reach_no_memory_but_their_own(policy: Policy) -> None:
    numpy = pytest.importorskip("numpy")
    table = numpy.zeros((2, 2))
    masked = numpy.ma.masked_array([1])
    for target in (table, table[0, 0], masked, table.view(numpy.recarray)):
        for name in words("resize setflags setfield"):
            refused(policy.check_get, target, name)
        if target is masked:
            policy.check_get(target, "data")
        else:
            refused(policy.check_get, target, "data")
        for name in words("sum astype view tobytes reshape fill flags strides T tolist"):
            policy.check_get(target, name)
    for name in words("shape strides dtype"):
        policy.check_get(table, name)
        refused(policy.check_set, table, name)
        refused(policy.check_delete, table, name)
    policy.check_set(table, "real")
    for name in words("writeable aligned"):
        policy.check_get(table.flags, name)
        refused(policy.check_set, table.flags, name)
    policy.check_item(table.flags, "WRITEABLE")
    refused(policy.check_set_item, table.flags, "WRITEABLE")
    policy.check_set_item(table, 0)
    refused(policy.check_set, numpy.random.MT19937(), "state")
    policy.check_get(numpy.random.PCG64(), "state")
    refused(policy.check_get, numpy.random.RandomState(), "set_state")


def test_buffers_tell_no_address_and_are_not_filled_from_outside(policy: Policy) -> None:
    refused(policy.check_get, array.array("b"), "buffer_info")
    for target in (io.BytesIO(), io.BufferedReader(io.BytesIO())):  # type: ignore[type-var]
        refused(policy.check_get, target, "readinto")
        policy.check_get(target, "read")


@pytest.mark.parametrize("name", words("add build total Order kindred count"))
def test_classes_functions_and_modules_are_not_changed(policy: Policy, name: str) -> None:
    for target in (Shop, plain_function, Shop().add, len, os, functools.partial(len)):
        refused(policy.check_set, target, name)
        refused(policy.check_delete, target, name)


@pytest.mark.parametrize("name", words("add build twice cached half lazy Order"))
def test_methods_are_not_replaced(policy: Policy, name: str) -> None:
    refused(policy.check_set, Shop(), name)
    refused(policy.check_delete, Shop(), name)


@pytest.mark.parametrize("target", [Shop, list, dict, type, int], ids=ascii)
def test_classes_have_no_items(policy: Policy, target: object) -> None:
    for check in (policy.check_item, policy.check_set_item, policy.check_delete_item):
        refused(check, target, int)
        refused(check, target, "x")


def test_an_enumeration_gives_its_members_only(policy: Policy) -> None:
    refused(policy.check_item, Color, "mro")
    refused(policy.check_item, Color, "_member_map_")
    refused(policy.check_set_item, Color, "RED")


def test_special_names_are_no_keys_of_ones_own_classes(policy: Policy) -> None:
    policy.check_item(Shop(), "name")
    refused(policy.check_item, Shop(), "__class__")
    refused(policy.check_set_item, Shop(), "__class__")


@pytest.mark.parametrize(
    ("operation", "target"),
    [
        ("call", Shop),
        ("or_", int),
        ("iter", Shop),
        ("repr", os),
        ("str", os),
        ("iter", inspect.currentframe()),
        ("len", os.environ),
        ("contains", list),
    ],
)
def test_operators_refused(policy: Policy, operation: str, target: object) -> None:
    refused(policy.check_operation, operation, target)


def test_what_may_not_be_a_value_may_not_be_called(policy: Policy) -> None:
    for target in (type, object, os, logging.getLogger("x"), Meta, string.Formatter):
        refused(policy.check_call, target)


# -- nothing runs ---------------------------------------------------------------------------------


def explode(*args: object, **kwargs: object) -> Any:
    raise AssertionError("the policy ran code of the object")


_SPECIAL = words(
    "getattribute getattr setattr delattr dir repr str format len bool iter next "
    "contains getitem setitem delitem call eq ne lt hash get set delete index int "
    "float fspath enter exit add radd reduce reduce_ex copy deepcopy sizeof await "
    "aiter anext missing length_hint instancecheck subclasscheck"
)
_OF_METACLASS = [each for each in _SPECIAL if each not in ("hash", "eq", "ne", "setattr")]


def untouchable() -> Any:
    meta = type("Untouchable", (type,), {f"__{each}__": explode for each in _OF_METACLASS})
    meta.__doc__ = property(explode)
    namespace: dict[str, Any] = {f"__{each}__": explode for each in _SPECIAL}
    namespace |= dict.fromkeys(("__class__", "__doc__", "name", "__module__"), property(explode))
    namespace["lazy"] = functools.cached_property(explode)
    namespace["method"] = lambda self: explode()
    cls = type.__call__(meta, "C", (), namespace)
    return object.__new__(cls)


@pytest.mark.parametrize(
    "given",
    [{}, {"strict": True}, {"read_only": True}, {"allow": ["a*"]}, {"deny": ["a*"]}],
    ids=stable,
)
def test_no_check_runs_code_of_the_object(given: dict[str, Any]) -> None:
    target = untouchable()
    policy = Policy(**given).for_root(untouchable())
    for each in (target, type(target), policy._root):
        for check in (policy.check_get, policy.check_set, policy.check_delete):
            for name in ("name", "lazy", "method", "missing", "_private"):
                with contextlib.suppress(AccessDenied):
                    check(each, name)
        for check in (policy.check_item, policy.check_set_item, policy.check_delete_item):
            with contextlib.suppress(AccessDenied):
                check(each, 0)
        with contextlib.suppress(AccessDenied):
            policy.check_value(each)
        with contextlib.suppress(AccessDenied):
            policy.check_call(each)
        for operation in ("repr", "iter", "eq", "add"):
            with contextlib.suppress(AccessDenied):
                policy.check_operation(operation, each)
        policy.visible_names(each)
    list(policy.type_members(type(target)))


def test_untouchable_does_explode() -> None:
    target = untouchable()
    for attempt in (lambda: target.name, lambda: repr(target), lambda: target == 1):
        with pytest.raises(AssertionError):
            attempt()


def test_a_dict_that_is_a_trap_is_not_read() -> None:
    class Trap:
        __dict__ = property(explode)  # type: ignore[assignment]

    assert Policy().visible_names(Trap()) == []
    Policy().check_get(Trap(), "name")


# -- the caches -----------------------------------------------------------------------------------


def test_hits_are_remembered_by_type_and_name(policy: Policy) -> None:
    shop = Shop()
    for name in ("add", "count", "missing"):
        policy.check_get(shop, name)
    assert policy.passed == {(Shop, "add"), (Shop, "count")}
    policy.check_value(shop)
    assert Shop in policy.harmless
    assert {int, str, list, dict, types.MethodType} <= policy.harmless


@pytest.mark.parametrize("target", [Shop, plain_function, len, math], ids=stable)
def test_what_depends_on_the_object_is_not_remembered(policy: Policy, target: object) -> None:
    bound = policy.for_root(math)
    for name in ("build", "limit", "sqrt", "calls"):
        with contextlib.suppress(AccessDenied):
            bound.check_get(target, name)
    with contextlib.suppress(AccessDenied):
        bound.check_value(target)
    assert not bound.passed
    assert type(target) not in bound.harmless


def test_the_caches_are_bounded(policy: Policy) -> None:
    for index in range(5000):
        made = type(f"T{index}", (), {"a": 1})()
        policy.check_get(made, "a")
        policy.check_value(made)
        policy.check_item(made, 0)
    assert len(policy.passed) <= 4096
    assert len(policy.harmless) <= 4096
    assert len(policy._passed_methods) <= 4096
    assert len(policy._kinds) <= 4096


def test_an_item_does_not_open_the_attribute(policy: Policy) -> None:
    policy.check_item(Shop(), 0)
    assert (Shop, "__getitem__") not in policy.passed


# -- the root -------------------------------------------------------------------------------------


def module(**names: object) -> types.ModuleType:
    made = types.ModuleType("served")
    made.__dict__.update(names)
    return made


def own(name: str = "served") -> Any:
    def function() -> int:
        return 1

    function.__module__ = name
    return function


def test_a_module_as_root_shows_its_own_functions_and_classes() -> None:
    cls = type("Api", (), {"__module__": "served"})
    root = module(
        add=own(),
        Api=cls,
        os=os,
        helper=own("elsewhere"),
        value=1,
        _private=own(),
        Path=pathlib.Path,
    )
    policy = Policy().for_root(root)
    assert policy.visible_names(root) == ["Api", "add"]
    for name in ("add", "Api"):
        policy.check_get(root, name)
        policy.check_value(root.__dict__[name])
    for name in ("os", "helper", "value", "_private", "Path", "missing"):
        error = refused(policy.check_get, root, name)
        assert str(error) == f"access to {name!r} is denied"
        refused(policy.check_set, root, name)
    assert policy.visible_names(module(add=own())) == []  # another module is not the root
    refused(policy.check_get, os, "add")


def test_a_module_as_root_shows_what_it_lists() -> None:
    root = module(
        __all__=["value", "os", "getcwd", "_private", "lazy", 7],
        value=1,
        os=os,
        getcwd=os.getcwd,
        add=own(),
        log=logging.getLogger("x"),
    )
    policy = Policy().for_root(root)
    assert policy.visible_names(root) == ["getcwd", "lazy", "value"]
    policy.check_value(os.getcwd)  # listed, so lent
    refused(policy.check_value, os.system)
    refused(policy.check_get, root, "os")
    refused(policy.check_get, root, "add")


def test_real_modules_as_roots() -> None:
    assert "sqrt" in Policy().for_root(math).visible_names(math)
    names = Policy().for_root(json).visible_names(json)
    assert "dumps" in names
    assert "decoder" not in names


def test_marks_in_a_module() -> None:
    root = module(add=expose(own()), sub=own(), mul=hidden(own()))
    assert Policy().for_root(root).visible_names(root) == ["add", "sub"]
    assert Policy(strict=True).for_root(root).visible_names(root) == ["add"]
    refused(Policy().for_root(root).check_get, root, "mul")


@pytest.mark.parametrize("root", [logging.getLogger("x"), pathlib.Path("/a"), len, Shop, None, {}])
def test_what_the_author_chose_as_root_is_lent(root: object) -> None:
    policy = Policy().for_root(root)
    policy.check_value(root)
    if callable(root):
        policy.check_call(root)
    assert type(root) not in policy.harmless or type(root) in Policy().harmless


def test_a_root_opens_nothing_besides_itself() -> None:
    logger = logging.getLogger("x")
    policy = Policy().for_root(logger)
    policy.check_get(logger, "info")
    policy.check_get(logger, "root")
    refused(policy.check_value, logger.root)
    refused(policy.check_get, logger.root, "info")
    assert not policy.passed


# -- allow, deny, read_only -----------------------------------------------------------------------


def test_deny_holds_on_every_object() -> None:
    policy = Policy(deny=["add", "c*", "__len__"]).for_root(Shop())
    for target in (Shop(), policy._root, Record()):
        for name in ("add", "count", "callback"):
            refused(policy.check_get, target, name)
            refused(policy.check_set, target, name)
        refused(policy.check_operation, "len", target)
        policy.check_get(target, "Add")
    assert "add" not in policy.visible_names(Shop())


def test_allow_holds_on_the_root() -> None:
    root, other = Shop(), Shop()
    policy = Policy(allow=["add", "get_*"]).for_root(root)
    for _ in range(2):
        policy.check_get(root, "add")
        policy.check_get(other, "count")
        policy.check_get(Record(), "name")
        refused(policy.check_get, root, "count")
        refused(policy.check_set, root, "count")
        policy.check_item(other, 0)
        policy.check_call(other)
        refused(policy.check_item, root, 0)
        refused(policy.check_call, root)
        refused(policy.check_operation, "repr", root)
    assert policy.visible_names(root) == ["add"]
    assert Shop not in policy.harmless
    assert (Shop, "add") in policy.passed
    assert (Record, "name") in policy.passed


def test_allow_of_one_root_is_not_that_of_another() -> None:
    policy = Policy(allow=["add"])
    policy.for_root(None).check_get(Shop(), "count")
    root = Shop()
    bound = policy.for_root(root)
    assert (Shop, "count") not in bound.passed
    refused(bound.check_get, root, "count")


def test_allow_without_a_root_holds_everywhere() -> None:
    policy = Policy(allow=["add"])
    policy.check_get(Shop(), "add")
    refused(policy.check_get, Record(), "name")


def test_deny_goes_before_allow() -> None:
    root = Shop()
    policy = Policy(allow=["*"], deny=["add"]).for_root(root)
    refused(policy.check_get, root, "add")
    policy.check_get(root, "count")
    refused(policy.check_get, root, "_private")  # no pattern opens a private name


def test_operators_of_the_root_can_be_allowed_by_method() -> None:
    root = Shop()
    policy = Policy(allow=["__len__", "__getitem__", "__call__"]).for_root(root)
    policy.check_operation("len", root)
    policy.check_item(root, 0)
    policy.check_call(root)
    refused(policy.check_set_item, root, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"allow": "add"}, "allow takes a list of patterns, got 'add'"),
        ({"deny": b"add"}, "deny takes a list of patterns, got b'add'"),
        ({"deny": ["a", 1]}, "deny takes patterns as text, got 1"),
    ],
)
def test_bad_patterns(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        Policy(**given)
    assert str(caught.value) == message


def test_read_only() -> None:
    policy = Policy(read_only=True)
    shop = Shop()
    for _ in range(2):
        policy.check_get(shop, "count")
        policy.check_get(shop, "add")
        policy.check_get(shop.items, "index")
        policy.check_item(shop.items, 0)
        policy.check_operation("add", shop.items)
        refused(policy.check_set, shop, "count")
        refused(policy.check_delete, shop, "count")
        refused(policy.check_set_item, shop.items, 0)
        refused(policy.check_delete_item, shop.items, 0)
        refused(policy.check_operation, "iadd", shop.items)
    for target, name in [
        ([1], "append"),
        ({}, "update"),
        ({1}, "add"),
        (bytearray(), "extend"),
        (collections.deque(), "appendleft"),
        (collections.OrderedDict(), "popitem"),
        (collections.Counter(), "subtract"),
        (array.array("i"), "append"),
    ]:
        refused(policy.check_get, target, name)
        Policy().check_get(target, name)


def test_repr_shows_what_was_given() -> None:
    assert repr(Policy()) == "Policy()"
    assert repr(Policy(allow=["a"], strict=True)) == "Policy(allow=['a'], strict=True)"


def test_what_pandas_evaluates_or_writes_is_not_lent() -> None:
    """By the names of its classes, which two others have here: nothing else needs pandas."""
    names = words(
        "query eval agg aggregate apply transform style plot hist boxplot to_csv to_pickle to_sql "
        "pivot_table info head"
    )
    namespace = {name: lambda self: None for name in names}
    frame = type("NDFrame", (), namespace | {"__module__": "pandas.core.generic"})
    groups = type("SelectionMixin", (), namespace | {"__module__": "pandas.core.base"})
    accessors = set(words("agg aggregate apply transform plot hist boxplot"))
    for cls, lent in ((frame, {"head"}), (groups, set(names) - accessors)):
        assert set(Policy().visible_names(type("Author", (cls,), {})())) == lent


@pytest.mark.parametrize(
    "dotted",
    [
        "pandas.core.groupby.groupby.GroupByPlot",
        "pandas.io.formats.style_render.StylerRenderer",
        "pandas.plotting._core.PlotAccessor",
    ],
)
def test_plots_and_styles_of_pandas_are_no_results(policy: Policy, dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    cls = type(name, (), {"__module__": module})
    refused(policy.check_value, cls())
    refused(policy.check_value, type("Derived", (cls,), {"__module__": "mine"})())


def test_what_pydantic_unpickles_or_opens_is_not_lent(policy: Policy) -> None:
    pydantic = pytest.importorskip("pydantic")
    old = pytest.importorskip("pydantic.v1")
    for base in (pydantic.BaseModel, old.BaseModel):
        model = type("Settings", (base,), {"__module__": "mine", "__annotations__": {"name": str}})
        for target in (model, model(name="shop")):
            for name in words("parse_raw parse_file from_orm update_forward_refs"):
                refused(policy.check_get, target, name)
            policy.check_get(target, "parse_obj")
        policy.check_get(model(name="shop"), "json")


def test_a_class_does_not_lend_what_its_instances_do_not(policy: Policy) -> None:
    namespace = {"parse_raw": classmethod(plain_function), "mine": classmethod(plain_function)}
    base = type("BaseModel", (), namespace | {"__module__": "pydantic.main"})
    for target in (base, base(), type("Derived", (base,), {})):
        refused(policy.check_get, target, "parse_raw")
        policy.check_get(target, "mine")
    assert policy.visible_names(base) == ["mine"]


class Handlers:
    def __init__(self) -> None:
        self.callback = self.secret
        self.public_callback = self.public

    @hidden
    def secret(self) -> str:
        return "secret"

    @hidden
    @classmethod
    def made(cls) -> str:
        return "made"

    def public(self) -> str:
        return "public"


class OwnHandlers(Handlers):
    def secret(self) -> str:  # unmarked, and hidden all the same
        return "own"


def test_a_hidden_method_is_no_value_wherever_it_is_kept(policy: Policy) -> None:
    handlers = OwnHandlers()
    for method in (Handlers().secret, handlers.secret, handlers.made, Handlers.made):
        refused(policy.check_value, method)
        refused(policy.check_value, functools.partial(method))
        refused(policy.check_value, functools.partial(functools.partial(method)))
    for _ in range(2):  # nothing of it is remembered
        refused(policy.check_get, handlers, "callback")
        policy.check_get(handlers, "public_callback")
    assert "callback" not in policy.visible_names(handlers)
    assert "public_callback" in policy.visible_names(handlers)
    policy.check_value(handlers.public)
    policy.check_value(functools.partial(handlers.public))


def test_a_method_that_its_object_does_not_lend_is_no_value(policy: Policy) -> None:
    profile = cProfile.Profile()
    refused(policy.check_value, profile.run)
    refused(policy.check_value, functools.partial(profile.runctx))
    policy.check_value(profile.runcall)
