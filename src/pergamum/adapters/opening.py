"""Finds a library by its name, or makes it, through clients that are given or made here."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypedDict, cast

from pergamum.adapters.async_source import PerLoop
from pergamum.adapters.store_library import StoreLibrary
from pergamum.client import AsyncLibrary, AsyncPergamum, Conflict, Library, NewLibrary, NotFound, Pergamum
from pergamum.client.drafts import MetadataSchema, WantedIndex


class Settings(TypedDict, total=False):
    """Settings of a library that is made where there is none of the name."""

    metric: Literal["cosine", "dot", "l2"]
    dimension: int
    index: WantedIndex
    recall: float
    metadata_schema: MetadataSchema


class Opening(Settings, total=False):
    """Where a library is, and what it is made with.

    Without a client the store makes its own, of both kinds, for `url` and `api_key` (PERGAMUM_URL and PERGAMUM_API_KEY
    where they are not given), and its `close` closes them.
    """

    url: str | None
    api_key: str | None
    client: Pergamum | None
    async_client: AsyncPergamum | None


def opened(name: str, opening: Opening, dimension: Callable[[], int | None]) -> StoreLibrary:
    """Return the library of this name. `dimension` is asked for, if it is not set, where one has to be made.

    Raises TypeError for an asynchronous client alone, and for what is no part of `Opening`.
    """
    _check(opening)
    client, async_client = opening.get("client"), opening.get("async_client")
    if client is None and async_client is not None:
        raise TypeError("an async_client alone cannot be opened synchronously: await aopen, or give a client too")
    if client is not None:
        library = _found(client, name, opening, dimension)
        return StoreLibrary.given(library, None if async_client is None else async_client.library(library.key))
    owned = Pergamum(opening.get("url"), opening.get("api_key"))
    try:
        library = _found(owned, name, opening, dimension)
    except BaseException:
        owned.close()
        raise
    return StoreLibrary(library, PerLoop(_maker(owned.url, opening), library.key), owned=owned)


async def aopened(name: str, opening: Opening, dimension: Callable[[], Awaitable[int | None]]) -> StoreLibrary:
    """Return the library of this name, as `opened` does, for an asynchronous client alone too."""
    _check(opening)
    client, async_client = opening.get("client"), opening.get("async_client")
    if async_client is not None:
        given = await _afound(async_client, name, opening, dimension)
        return StoreLibrary.given(None if client is None else client.library(given.key), given)
    if client is not None:
        size = await dimension()
        return await asyncio.to_thread(opened, name, opening, lambda: size)
    sync = Pergamum(opening.get("url"), opening.get("api_key"))
    make = _maker(sync.url, opening)
    owned = make()
    try:
        library = await _afound(owned, name, opening, dimension)
    except BaseException:
        await owned.close()
        sync.close()
        raise
    source = PerLoop(make, library.key)
    source.begin(owned)
    return StoreLibrary(sync.library(library.key), source, owned=sync)


def _check(opening: Opening) -> None:
    unknown = opening.keys() - Opening.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(Opening.__annotations__)}")


def _maker(url: str, opening: Opening) -> Callable[[], AsyncPergamum]:
    return partial(AsyncPergamum, url, opening.get("api_key"))


def _found(client: Pergamum, name: str, opening: Opening, dimension: Callable[[], int | None]) -> Library:
    try:
        return client.libraries.get(name)
    except NotFound:
        wanted = _wanted(name, opening, opening.get("dimension") or dimension())
    try:
        return client.libraries.create(**wanted)
    except Conflict:  # somebody else made it meanwhile
        return client.libraries.get(name)


async def _afound(
    client: AsyncPergamum, name: str, opening: Opening, dimension: Callable[[], Awaitable[int | None]]
) -> AsyncLibrary:
    try:
        return await client.libraries.get(name)
    except NotFound:
        wanted = _wanted(name, opening, opening.get("dimension") or await dimension())
    try:
        return await client.libraries.create(**wanted)
    except Conflict:  # somebody else made it meanwhile
        return await client.libraries.get(name)


def _wanted(name: str, opening: Opening, dimension: int | None) -> NewLibrary:
    """Return the library to make; one without a dimension embeds texts by itself."""
    settings = {field: value for field, value in opening.items() if field in Settings.__annotations__}
    return cast(NewLibrary, {**settings, "name": name, "dimension": dimension})
