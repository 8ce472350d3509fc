# Made by scripts/make_sync_client from aio/add_many.py: change it there.
"""Storing more than fits one request, some batches at a time."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pergamum.client.batching import Batch, Stored, Wishes
from pergamum.client.delivery import Delivery
from pergamum.client.errors import ClientError
from pergamum.client.load import Load, Store
from pergamum.client.options import ReadOptions, WriteOptions
from pergamum.client.progress import total_of
from pergamum.client.sync.crew import Crew, Source, rows
from pergamum.client.sync.pause import pause
from pergamum.client.sync.transport import Door

Embed: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]


def add_all(
    door: Door, store: Store, source: Source, *, wishes: Wishes, options: ReadOptions, embed: Embed | None = None
) -> Stored:
    """Store what the source gives, embedded; return what was stored and what was not.

    Reads no more than one batch ahead of those under way. What ends it, be it an error of the source, is raised when
    the batches under way have ended, and tells how much is stored.
    """
    load = Load(store, wishes, total_of(source) if wishes.progress else None)
    try:
        with Crew[Delivery]() as crew:
            return _Loading(door, load, crew, options, embed=embed).all(source)
    finally:
        load.close()


class _Loading:
    """The batches of a load, each sent by one of the crew."""

    def __init__(
        self, door: Door, load: Load, crew: Crew[Delivery], options: ReadOptions, *, embed: Embed | None
    ) -> None:
        self._door, self._load, self._crew, self._options, self._embed = door, load, crew, options, embed

    def all(self, source: Source) -> Stored:
        try:
            self._read(source)
            for batch in self._load.rest():
                self._begin(batch)
            while self._crew.busy:
                self._settle()
        except Exception as error:
            self._wait_for_the_others()
            self._load.noted(error)
            raise
        return self._load.stored()

    def _read(self, source: Source) -> None:
        group: list[Any] = []
        for row in rows(source, self._load.store.noun):
            if self._load.skips():
                continue
            group.append(row)
            if len(group) >= self._load.room:
                self._take(group)
                group = []
        if group:
            self._take(group)

    def _take(self, group: Sequence[Any]) -> None:
        for batch in self._load.take(group if self._embed is None else self._embed(group)):
            self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        while not self._load.may_begin(batch):
            self._settle()
        delivery = self._load.begun(batch)
        self._crew.begin(lambda: self._deliver(delivery))

    def _settle(self) -> None:
        ended = self._crew.ended()
        for delivery in ended:
            self._load.note(delivery)
        for delivery in ended:
            if delivery.error is not None:
                raise delivery.error

    def _wait_for_the_others(self) -> None:
        while self._crew.busy:
            for delivery in self._crew.ended():
                self._load.note(delivery)

    def _deliver(self, delivery: Delivery) -> Delivery:
        """Send the batch, part by part, until all of it is stored, refused, or there is no sense in it."""
        part = delivery.part
        while part is not None:
            options = WriteOptions(**self._options, idempotency_key=part.key)
            began = time.perf_counter()
            try:
                answer = self._door.send(self._load.store.batch(part.bodies), options, put_off=delivery.put_off)
            except ClientError as error:
                wait = delivery.refused(error)
                if wait and delivery.part is not None:
                    pause(wait)
            else:
                delivery.stored(answer, time.perf_counter() - began)
            part = delivery.part
        return delivery
