"""What no peer may touch, as data, for `rules`; at the end, which methods operators run, for all.

Two sorts of the former. Objects that *are* a way out of the policy (frames, modules, descriptors,
loggers, event loops, …) are refused as values: they may not be a result, so they never become a
target. Objects that are fine to lend but *have* a way out (`str.format`, a generator's frame, a
context manager's function) are lent without those names. Both hold for subclasses.

Where the next Python version may add names, what is lent is listed, not what is refused.
"""

from __future__ import annotations

import contextvars
import functools
import operator
import types
import weakref


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Values that are a way past the policy by themselves.
REFUSED_TYPES: frozenset[type] = frozenset(
    {
        # the interpreter's inside
        types.FrameType,
        types.CodeType,
        types.TracebackType,
        types.CellType,
        contextvars.Context,
        # descriptors: with a forged self, they reach what the gate refuses by name
        property,
        classmethod,
        staticmethod,
        functools.cached_property,
        functools.partialmethod,
        functools.singledispatchmethod,
        types.DynamicClassAttribute,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        types.MethodDescriptorType,
        types.MethodWrapperType,
        types.WrapperDescriptorType,
        # stand-ins that pass attribute access on to what they stand for
        super,
        types.GenericAlias,
        types.UnionType,
        weakref.ProxyType,
        weakref.CallableProxyType,
        # accessors
        operator.attrgetter,
        operator.methodcaller,
    }
)

# The same, by dotted name or package: whoever never imports these does not pay for them here.
REFUSED_NAMES = frozenset(
    {
        # parsers set attributes, of any name, on the object that they are given
        "argparse.Action",
        "argparse._ActionsContainer",
        "optparse.Option",
        "optparse.OptionContainer",
        "asyncio.events.AbstractEventLoop",
        "asyncio.events.AbstractEventLoopPolicy",
        "asyncio.runners.Runner",
        "concurrent.interpreters.Interpreter",
        "multiprocessing.managers.BaseManager",
        "multiprocessing.managers.Server",
        "os._Environ",
        "pandas.core.groupby.groupby.GroupByPlot",
        "pandas.io.formats.style_render.StylerRenderer",
        "pandas.plotting._core.PlotAccessor",
        "string.Formatter",
        "typing._Final",
        "unittest.loader.TestLoader",
        "unittest.mock._patch",
        "urllib.request.OpenerDirector",
    }
)
REFUSED_PACKAGES = frozenset(
    {
        # loggers: `manager`, `root`, `handlers`, or a file to write to by `add`
        "logging",
        "loguru",
        "structlog",
        # loaders read any file; interpreters, debuggers and shells run any text
        "_frozen_importlib",
        "_frozen_importlib_external",
        "importlib",
        "modulefinder",
        "zipimport",
        "_interpreters",
        "_sitebuiltins",
        "bdb",
        "code",
        "codeop",
        "doctest",
        "pipes",
        "pydoc",
        "rlcompleter",
        "venv",
        "webbrowser",
        # memory
        "_cffi_backend",
        "_ctypes",
        "cffi",
        "ctypes",
        "_pickle",
        "pickle",
        # this connection's own machinery
        "proxyables.net",
        "proxyables.objects",
        "proxyables.peer",
        "proxyables.proxyable",
        "proxyables.yamux",
    }
)

_FLAGS = _names("__setitem__ aligned writeable writebackifcopy")
_NUMPY = _names("base ctypes data dump dumps resize setfield setflags tofile")
_HDF = _names("copy open remove root select select_as_coordinates select_as_multiple select_column")
_PYDANTIC = _names("from_orm model_rebuild parse_file parse_raw update_forward_refs")

# Names that are not lent though their object is, by the type that has them.
REFUSED_MEMBERS: dict[type, frozenset[str]] = {
    str: _names("format format_map"),  # "{0.__class__}": templates read attributes
    memoryview: _names("obj"),  # the whole buffer behind a slice of it
    BaseException: _names("with_traceback"),
    AttributeError: _names("obj"),  # what the failing code looked at, hidden or not
    functools.partial: _names("args func keywords"),
    **dict.fromkeys((type({}.keys()), type({}.values()), type({}.items())), _names("mapping")),
    types.FunctionType: _names("dispatch register registry"),  # of functools.singledispatch
}
REFUSED_MEMBERS_BY_NAME: dict[str, frozenset[str]] = {
    # Text that is run, names that are imported, and bytes that are unpickled, on either side.
    "cProfile.Profile": _names("dump_stats run runctx"),
    "multiprocessing.connection._ConnectionBase": _names("recv_bytes_into send_bytes"),
    "multiprocessing.process.BaseProcess": _names("authkey"),
    "optparse.Values": _names("ensure_value read_file read_module"),
    "profile.Profile": _names("dump_stats run runctx"),
    "shelve.Shelf": _names("dict"),
    "sqlite3.Connection": _names("deserialize enable_load_extension load_extension"),
    "tkinter.Misc": _names("option_readfile send tk"),
    "tkinter.Tk": _names(  # which passes on what it has not itself
        "call createcommand eval evalfile exprboolean exprdouble exprlong exprstring interpaddr "
        "loadtk readprofile record"
    ),
    "trace.Trace": _names("run runctx"),
    "inspect.Signature": _names("from_callable"),
    # Files and addresses that a peer names.
    "configparser.RawConfigParser": _names("read"),
    "gettext.NullTranslations": _names("install"),
    "http.cookiejar.FileCookieJar": _names("filename load revert save"),
    "mailbox.Mailbox": _names("add_folder get_folder remove_folder"),
    "mimetypes.MimeTypes": _names("read"),
    "pstats.Stats": _names("add dump_stats load_stats"),
    "ssl.SSLContext": _names(
        "keylog_filename load_cert_chain load_dh_params load_verify_locations"
    ),
    "tarfile.TarFile": _names(
        "add addfile bz2open chmod chown extract extractall gettarinfo gzopen makedev makedir "
        "makefifo makefile makelink makeunknown open taropen utime xzopen zstopen"
    ),
    "trace.CoverageResults": _names("update write_results write_results_file"),
    "tracemalloc.Snapshot": _names("dump load"),
    "urllib.robotparser.RobotFileParser": _names("read set_url"),
    "xml.etree.ElementTree.ElementTree": _names("parse write write_c14n"),
    "xml.sax.xmlreader.XMLReader": _names("parse"),
    "zipfile.PyZipFile": _names("writepy"),
    "zipfile.ZipFile": _names("extract extractall write"),
    "zoneinfo.ZoneInfo": _names("from_file"),
    # What the object stands for, without it.
    "weakref.finalize": _names("detach peek"),
    "_asyncio.Task": _names("get_context get_coro get_stack print_stack"),
    "asyncio.tasks.Task": _names("get_context get_coro get_stack print_stack"),
    "collections.UserString": _names("format format_map"),
    "contextlib._GeneratorContextManagerBase": _names("args func gen kwds"),
    # Files, raw memory and its addresses, and methods of an object that a peer names: its own may
    # be hidden. What is written into a buffer may be the pointers in an array of objects.
    "_io._IOBase": _names("readinto readinto1"),
    "_socket.socket": _names("recv_into recvfrom_into"),
    "array.array": _names("buffer_info fromfile tofile"),
    "numpy.generic": _NUMPY,
    "numpy.lib.npyio.DataSource": _names("abspath exists open"),
    "numpy.lib.npyio.NpzFile": _names("allow_pickle fid pickle_kwargs zip"),
    "numpy.ndarray": _NUMPY,
    "numpy.nditer": _names("debug_print itviews operands"),
    "numpy.random.bit_generator.BitGenerator": _names("capsule cffi ctypes lock"),
    "numpy.random.mtrand.RandomState": _names("set_state"),  # whose position is not checked
    # Whatever is given may be a pickle, a path to one, or an object whose hidden fields are read;
    # forward references are looked up among the names that a peer gives.
    "pydantic.main.BaseModel": _PYDANTIC,
    "pydantic.v1.main.BaseModel": _PYDANTIC,
    # "@value.__class__" in an expression reads the variables of whoever calls; a name in the place
    # of a function is looked up as an attribute; the `backend` of a plot is a module to import; a
    # style takes templates; the rest writes files, or to an object that a peer names.
    "pandas.core.base.SelectionMixin": _names("agg aggregate apply boxplot hist plot transform"),
    "pandas.core.generic.NDFrame": _names(
        "agg aggregate apply boxplot eval hist info pivot_table plot query style transform "
        "to_clipboard to_csv to_excel to_feather to_gbq to_hdf to_html to_iceberg to_json to_latex "
        "to_markdown to_orc to_parquet to_pickle to_sql to_stata to_string to_xarray to_xml"
    ),
    "pandas.HDFStore": _HDF,
    "pandas.io.pytables.HDFStore": _HDF,  # until pandas 3
}
# Names of which a subclass makes something harmless.
LENT_AGAIN_BY_NAME: dict[str, frozenset[str]] = {
    "numpy.ma.MaskedArray": _names("data"),  # the array without its mask
    "numpy.ma.core.MaskedArray": _names("data"),
}
# Names that are lent, and not set: through them an array, or what draws from one, would reach
# memory outside of it, or be written to though its author locked it; and a directory that is not
# temporary would be removed.
UNCHANGED_BY_NAME: dict[str, frozenset[str]] = {
    "numpy._core.multiarray.flagsobj": _FLAGS,
    "numpy.core.multiarray.flagsobj": _FLAGS,
    "numpy.ndarray": _names("dtype shape strides"),
    "numpy.random.bit_generator.BitGenerator": _names("state"),
    "tempfile.TemporaryDirectory": _names("name"),
}
# For types whose other names are the interpreter's inside: the only names that are lent.
LENT_MEMBERS: dict[type, frozenset[str]] = {
    types.GeneratorType: _names("close send throw"),
    types.CoroutineType: _names("close"),
    types.AsyncGeneratorType: _names("aclose asend athrow"),
}

# What changes a builtin container: refused by a read-only policy, since ``obj.items.clear()``
# changes the object as much as an assignment does.
MUTATORS: dict[type, frozenset[str]] = {
    list: _names("append clear extend insert pop remove reverse sort"),
    bytearray: _names("append clear extend insert pop remove reverse"),
    dict: _names("clear move_to_end pop popitem setdefault subtract update"),
    set: _names(
        "add clear difference_update discard intersection_update pop remove "
        "symmetric_difference_update update"
    ),
}
MUTATORS_BY_NAME: dict[str, frozenset[str]] = {
    "array.array": _names(
        "append byteswap extend frombytes fromfile fromlist fromunicode insert pop remove reverse"
    ),
    "collections.deque": _names(
        "append appendleft clear extend extendleft insert pop popleft remove reverse rotate"
    ),
}

# Builtin functions and classes that compute from what they are given, and nothing else.
LENT_BUILTINS = _names(
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod "
    "enumerate filter float format frozenset hash hex int isinstance issubclass "
    "iter len list map max min next oct ord pow print range repr reversed round set "
    "slice sorted str sum tuple zip"
)
# Packages of the standard library of which the same is true of every public function and class.
LENT_STANDARD = _names(
    "_bisect _blake2 _collections _datetime _decimal _hashlib _heapq _json _md5 "
    "_random _sha1 _sha2 _sha256 _sha3 _sha512 _statistics _struct array base64 "
    "binascii bisect calendar cmath collections colorsys datetime decimal difflib "
    "enum fractions hashlib heapq hmac html ipaddress itertools json keyword math "
    "numbers random secrets statistics struct textwrap time unicodedata uuid zlib"
)
LENT_PATHS = _names("PurePath PurePathBase PurePosixPath PureWindowsPath")

# Methods that code written in C runs on what it is given, as it pleases.
RUN_BY_BUILTINS = _names(
    "keys items "
    "__abs__ __add__ __and__ __array__ __array_function__ __array_interface__ __array_struct__ "
    "__array_ufunc__ __bool__ __buffer__ __bytes__ __call__ __ceil__ __complex__ __contains__ "
    "__delitem__ __divmod__ __eq__ __float__ __floor__ __floordiv__ __format__ __fspath__ __ge__ "
    "__getitem__ __gt__ __hash__ __iadd__ __iand__ __ifloordiv__ __ilshift__ __imatmul__ __imod__ "
    "__imul__ __index__ __instancecheck__ __int__ __invert__ __ior__ __ipow__ __irshift__ "
    "__isub__ __iter__ __itruediv__ __ixor__ __le__ __len__ __length_hint__ __lshift__ __lt__ "
    "__matmul__ __missing__ __mod__ __mul__ __ne__ __neg__ __next__ __or__ __pos__ __pow__ "
    "__radd__ __rand__ __rdivmod__ __repr__ __reversed__ __rfloordiv__ __rlshift__ __rmatmul__ "
    "__rmod__ __rmul__ __ror__ __round__ __rpow__ __rrshift__ __rshift__ __rsub__ __rtruediv__ "
    "__rxor__ __setitem__ __str__ __sub__ __subclasscheck__ __truediv__ __trunc__ __xor__"
)

# What makes sense on a module or a class: neither calls a method of an author's own.
OPERATIONS_ON_ANYTHING = _names("bool dir eq hash ne")
OPERATIONS_ON_CLASSES = OPERATIONS_ON_ANYTHING | _names("repr str")
OPERATIONS_ON_ENUMERATIONS = OPERATIONS_ON_CLASSES | _names("contains iter len reversed")
IN_PLACE = _names(
    "iadd iand ifloordiv ilshift imatmul imod imul ior ipow irshift isub itruediv ixor"
)
# Methods that may answer an operator, in the order in which Python asks for them, where that is
# not just the operator's own name between underscores.
METHODS: dict[str, tuple[str, ...]] = {
    "aenter": ("__aenter__", "__enter__"),
    "aexit": ("__aexit__", "__exit__"),
    "bool": ("__bool__", "__len__"),
    "bytes": ("__bytes__", "__index__", "__iter__", "__getitem__"),
    "ceil": ("__ceil__", "__float__", "__index__"),
    "complex": ("__complex__", "__float__", "__index__"),
    "contains": ("__contains__", "__iter__", "__getitem__"),
    "float": ("__float__", "__index__"),
    "floor": ("__floor__", "__float__", "__index__"),
    "format": ("__format__", "__str__", "__repr__"),
    "int": ("__int__", "__index__", "__trunc__"),
    "iter": ("__iter__", "__getitem__"),
    "ne": ("__ne__", "__eq__"),
    "reversed": ("__reversed__", "__len__"),
    "str": ("__str__", "__repr__"),
}
