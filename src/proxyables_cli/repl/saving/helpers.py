"""What a saved program does where the REPL did more than Python's syntax says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Set

_HELPERS = {
    "ordered": '''
async def ordered(function, *items, key=None, **options):
    """Sorts, or chooses, by keys that the other side tells."""
    if not items:  # a list's own method
        items = function.__self__
        items[:] = await ordered(sorted, items, key=key, **options)
        return
    items = list(items if len(items) > 1 else items[0])
    keys = [await arrived(item if key is None else key(item)) for item in items]
    places = function(range(len(items)), key=keys.__getitem__, **options)
    return [items[place] for place in places] if function is sorted else items[places]
''',
    "filtered": '''
async def filtered(function, items):
    """Gives the items for which a function says, here or over there, that they should stay."""
    items = list(items)
    stay = await mapped(function or bool, items)
    return [item for item, stays in zip(items, stay, strict=True) if stays]
''',
    "mapped": '''
async def mapped(function, *others):
    """Gives what a function makes of items; what is remote is awaited, or asked."""
    return [await arrived(ask(function, *given)) for given in zip(*others)]
''',
    "ask": '''
def ask(function, *given):
    """Calls a function; a builtin that is about one object, over there if that is remote."""
    if function in (bool, dir, float, int, len, repr, str):
        if isinstance(given[0], proxyables.ProxyCursor):
            return proxyables.perform(given[0], function.__name__)
    return function(*given)
''',
    "arrived": '''
async def arrived(value):
    """Awaits what is remote, also inside of a tuple."""
    if isinstance(value, tuple):
        return tuple([await fetched(part) for part in value])
    return await fetched(value)
''',
    "attribute": '''
async def attribute(owner, name, default):
    """Gives an attribute, of a remote object too, or what stands for one that is not there."""
    try:
        return await arrived(getattr(owner, name))
    except AttributeError:
        return default
''',
    "decided": '''
async def decided(value):
    """Gives something as true as a value, which is asked if it is remote."""
    is_remote = isinstance(value, proxyables.ProxyCursor)
    return await proxyables.perform(value, "bool") if is_remote else value
''',
    "following": '''
async def following(iterator):
    """Gives the next item of a remote iterator, if there is one, as an iterator."""
    if not isinstance(iterator, proxyables.ProxyCursor):
        return iterator
    try:
        return iter([await proxyables.perform(iterator, "next")])
    except proxyables.RemoteError as error:
        if error.type_name not in ("StopIteration", "StopAsyncIteration"):
            raise
        return iter([])
''',
    "fetched": '''
async def fetched(value):
    """Awaits what is remote; what is local stays as it is."""
    is_remote = isinstance(value, proxyables.ProxyCursor)
    return await value if is_remote and not proxyables.is_settled(value) else value
''',
    "given": '''
async def given(callee, value):
    """Gives an argument; what is remote is fetched, unless the function is as well."""
    return value if isinstance(callee, proxyables.ProxyCursor) else await fetched(value)
''',
    "told": '''
async def told(value, builtin, *given):
    """Gives what a builtin tells of something, which is asked over there if it is remote."""
    if isinstance(value, proxyables.ProxyCursor):
        return await proxyables.perform(value, builtin, *given)
    return getattr(builtins, builtin)(value, *given)
''',
    "each_told": '''
async def each_told(items):
    """Gives what print shows of each item, which is asked over there if it is remote."""
    return await asyncio.gather(*[told(item, "str") for item in items])
''',
    "is_in": '''
async def is_in(item, container):
    """Tells whether something is in a container, which is asked if it is remote."""
    if isinstance(container, proxyables.ProxyCursor):
        return await proxyables.contains(container, item)
    return await fetched(item) in container
''',
    "compared": '''
def compared(one, comparison, other):
    """Gives whether two are equal, or unequal; of something remote, what to await for that."""
    asked, operand = (one, other) if isinstance(one, proxyables.ProxyCursor) else (other, one)
    if isinstance(asked, proxyables.ProxyCursor) and one is not other:
        return proxyables.perform(asked, comparison, operand)
    return getattr(operator, comparison)(one, other)
''',
    "changed": '''
async def changed(value, operation, operand):
    """Gives what an assignment such as += binds; what is remote is changed where it is."""
    if isinstance(value, proxyables.ProxyCursor):
        return await proxyables.perform(value, operation, operand)
    if isinstance(value, list) and operation == "iadd":
        operand = await unpacked(operand, {})
    return await fetched(getattr(operator, operation)(value, operand))
''',
    "kept": '''
async def kept(value):
    """Gives something for use in several steps; of what is remote, a reference to it."""
    is_remote = isinstance(value, proxyables.ProxyCursor)
    is_path = is_remote and not proxyables.is_settled(value)
    return await proxyables.ref(value) if is_path else value
''',
    "set_attribute": '''
async def set_attribute(value, owner, name):
    """Sets an attribute, here or over there."""
    if isinstance(owner, proxyables.ProxyCursor):
        await proxyables.assign(getattr(owner, name), value)
    else:
        setattr(owner, name, value)
''',
    "set_item": '''
async def set_item(value, owner, key):
    """Sets an item, here or over there."""
    if isinstance(owner, proxyables.ProxyCursor):
        await proxyables.assign(owner[key], value)
    else:
        owner[key] = value
''',
    "delete_attribute": '''
async def delete_attribute(owner, name):
    """Deletes an attribute, here or over there."""
    if isinstance(owner, proxyables.ProxyCursor):
        await proxyables.delete(getattr(owner, name))
    else:
        delattr(owner, name)
''',
    "delete_item": '''
async def delete_item(owner, key):
    """Deletes an item, here or over there."""
    if isinstance(owner, proxyables.ProxyCursor):
        await proxyables.delete(owner[key])
    else:
        del owner[key]
''',
    "managed": '''
@contextlib.asynccontextmanager
async def managed(manager):
    """Enters and leaves a context manager, here or over there."""
    if isinstance(manager, proxyables.ProxyCursor):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value
''',
    "copied": '''
def copied(value):
    """Fetches the content of a container that stayed over there; all else stays as it is."""
    if not isinstance(value, proxyables.sync.BlockingProxy):
        return value
    try:
        return proxyables.sync.copy(value)
    except proxyables.RemoteError:  # it is no container
        return value
''',
    "told_here": '''
def told_here(value):
    """Gives the repr of something, which is asked over there if it is remote."""
    is_remote = isinstance(value, proxyables.sync.BlockingProxy)
    return proxyables.sync.perform(value, "repr") if is_remote else repr(value)
''',
    "each_of": '''
def each_of(items):
    """Gives items, from here or from over there, to an asynchronous loop."""
    return items if hasattr(items, "__aiter__") else listed(items)
''',
    "each_unpacked": '''
async def each_unpacked(items, parts):
    """Gives the items of a loop, and what is remote in the parts that its target takes apart."""
    async for item in each_of(items):
        yield await unpacked(item, parts)
''',
    "listed": '''
async def listed(items):
    """Gives local items to an asynchronous loop."""
    for item in items:
        yield item
''',
    "unpacked": '''
async def unpacked(value, parts):
    """Fetches the items of what is remote, and of those of its parts that are taken apart."""
    if isinstance(value, proxyables.ProxyCursor):
        value = [item async for item in value]
    if parts:
        value = list(value)
        for place, inside in parts.items():
            value[place] = await unpacked(value[place], inside)
    return value
''',
}
"""Functions that a saved program can have, by their names."""


def helpers_for(names: Iterable[str], taken: Set[str]) -> list[str]:
    """The texts of the functions that a program needs.

    Args:
        names: Those that it calls.
        taken: Names that mean something else in it; a function of one has `free_name` instead.
    """
    wanted = _HELPERS.keys() & set(names)
    while True:
        also = {name for each in wanted for name in _HELPERS if name in _words(each)}
        if also <= wanted:
            texts = [text.strip() for name, text in _HELPERS.items() if name in wanted]
            return [_with_free_names(text, wanted & taken) for text in texts]
        wanted |= also


def free_name(name: str) -> str:
    """What a function is called where its name is taken."""
    return f"{name}_"


def _with_free_names(text: str, taken: Set[str]) -> str:
    return re.sub(r"\w+(?=\()", lambda each: each[0] + "_" * (each[0] in taken), text)


def modules_of(helpers: Iterable[str]) -> list[str]:
    """The modules that the texts of such functions need, but for the library."""
    text = "\n".join(helpers)
    return [name for name in ("builtins", "contextlib", "operator") if name in _names(text)]


def _names(text: str) -> set[str]:
    tree = ast.parse(text)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _words(helper: str) -> list[str]:
    return re.findall(r"\w+(?=\()", _HELPERS[helper])


__all__ = ["free_name", "helpers_for", "modules_of"]
