"""Storing more than fits one request, some batches at a time."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from pergamum.client.aio.crew import AsyncCrew, Source, rows
from pergamum.client.aio.pause import pause
from pergamum.client.aio.transport import AsyncDoor
from pergamum.client.batching import Batch, Stored, Wishes
from pergamum.client.delivery import Delivery
from pergamum.client.errors import ClientError
from pergamum.client.load import Load, Store
from pergamum.client.options import ReadOptions, WriteOptions
from pergamum.client.progress import total_of

Embed: TypeAlias = Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]


async def add_all(
    door: AsyncDoor, store: Store, source: Source, *, wishes: Wishes, options: ReadOptions, embed: Embed | None = None
) -> Stored:
    """Store what the source gives, embedded; return what was stored and what was not.

    Reads no more than one batch ahead of those under way. What ends it, be it an error of the source, is raised when
    the batches under way have ended, and tells how much is stored.
    """
    load = Load(store, wishes, total_of(source) if wishes.progress else None)
    try:
        async with AsyncCrew[Delivery]() as crew:
            return await _Loading(door, load, crew, options, embed=embed).all(source)
    finally:
        load.close()


class _Loading:
    """The batches of a load, each sent by one of the crew."""

    def __init__(
        self, door: AsyncDoor, load: Load, crew: AsyncCrew[Delivery], options: ReadOptions, *, embed: Embed | None
    ) -> None:
        self._door, self._load, self._crew, self._options, self._embed = door, load, crew, options, embed

    async def all(self, source: Source) -> Stored:
        try:
            await self._read(source)
            for batch in self._load.rest():
                await self._begin(batch)
            while self._crew.busy:
                await self._settle()
        except Exception as error:
            await self._wait_for_the_others()
            self._load.noted(error)
            raise
        return self._load.stored()

    async def _read(self, source: Source) -> None:
        group: list[Any] = []
        async for row in rows(source, self._load.store.noun):
            if self._load.skips():
                continue
            group.append(row)
            if len(group) >= self._load.room:
                await self._take(group)
                group = []
        if group:
            await self._take(group)

    async def _take(self, group: Sequence[Any]) -> None:
        for batch in self._load.take(group if self._embed is None else await self._embed(group)):
            await self._begin(batch)

    async def _begin(self, batch: Batch) -> None:
        while not self._load.may_begin(batch):
            await self._settle()
        delivery = self._load.begun(batch)
        self._crew.begin(lambda: self._deliver(delivery))

    async def _settle(self) -> None:
        ended = await self._crew.ended()
        for delivery in ended:
            self._load.note(delivery)
        for delivery in ended:
            if delivery.error is not None:
                raise delivery.error

    async def _wait_for_the_others(self) -> None:
        while self._crew.busy:
            for delivery in await self._crew.ended():
                self._load.note(delivery)

    async def _deliver(self, delivery: Delivery) -> Delivery:
        """Send the batch, part by part, until all of it is stored, refused, or there is no sense in it."""
        part = delivery.part
        while part is not None:
            options = WriteOptions(**self._options, idempotency_key=part.key)
            began = time.perf_counter()
            try:
                answer = await self._door.send(self._load.store.batch(part.bodies), options, put_off=delivery.put_off)
            except ClientError as error:
                wait = delivery.refused(error)
                if wait and delivery.part is not None:
                    await pause(wait)
            else:
                delivery.stored(answer, time.perf_counter() - began)
            part = delivery.part
        return delivery
