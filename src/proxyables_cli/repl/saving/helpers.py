"""What a saved program does where the REPL did more than Python's syntax says."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HELPERS = {
    "ordered": '''
async def ordered(function, *items, key, **options):
    """Sorts, or chooses, by keys that the other side tells."""
    if not items:  # a list's own method
        items = function.__self__
        items[:] = await ordered(sorted, items, key=key, **options)
        return
    items = list(items if len(items) > 1 else items[0])
    keys = await mapped(key, items)
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
    if function in (bool, float, int, len, repr, str):
        if isinstance(given[0], proxyables.ProxyCursor):
            return proxyables.perform(given[0], function.__name__)
    return function(*given)
''',
    "arrived": '''
async def arrived(value):
    """Awaits what is remote, also inside of a tuple."""
    if isinstance(value, tuple):
        return tuple([await arrived(part) for part in value])
    is_remote = isinstance(value, proxyables.ProxyCursor)
    return await value if is_remote and not proxyables.is_settled(value) else value
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
    try:
        return iter([await proxyables.perform(iterator, "next")])
    except proxyables.RemoteError as error:
        if error.type_name not in ("StopIteration", "StopAsyncIteration"):
            raise
        return iter([])
''',
    "each_unpacked": '''
async def each_unpacked(items, parts):
    """Gives the items of a loop, and what is remote in the parts that its target takes apart."""
    if not hasattr(items, "__aiter__"):
        items = listed(items)
    async for item in items:
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


def helpers_for(names: Iterable[str]) -> list[str]:
    """The texts of the functions that a program which uses some names needs."""
    wanted = _HELPERS.keys() & set(names)
    while True:
        also = {name for each in wanted for name in _HELPERS if name in _words(each)}
        if also <= wanted:
            return [text.strip() for name, text in _HELPERS.items() if name in wanted]
        wanted |= also


def _words(helper: str) -> list[str]:
    return re.findall(r"\w+(?=\()", _HELPERS[helper])


__all__ = ["helpers_for"]
