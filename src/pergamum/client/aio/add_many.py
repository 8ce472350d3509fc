"""Storing more than fits one request, one batch at a time."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from pergamum.client.batching import BatchOut, Stored, batches
from pergamum.client.errors import ClientError


async def store_all(
    items: Iterable[bytes], batch_size: int, store: Callable[[Sequence[bytes]], Awaitable[BatchOut]]
) -> Stored:
    """Store the items in batches, each all or none; the first that fails ends it, with a note of what was stored."""
    done, stored = 0, Stored()
    for batch in batches(items, batch_size, size=len):
        try:
            answer = await store(batch)
        except ClientError as error:
            error.add_note(f"in the batch of {len(batch)} after {done} that are stored")
            raise
        done += len(batch)
        stored = Stored(stored.created + answer.created, stored.replaced + answer.replaced, answer.position)
    return stored
