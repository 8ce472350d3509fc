"""Which pool of connections sends a request."""

import asyncio
from collections import Counter

import httpx

from pergamum.client.aio.transport import AsyncTransport
from pergamum.client.call import Call
from pergamum.client.pools import Pools
from pergamum.client.retry import Retries
from pergamum.client.sync.transport import Transport

READ = Call("GET", "/v1/x", lambda reply: reply.body, repeatable=True)


def test_the_one_with_the_fewest_requests_under_way_is_taken() -> None:
    pools = Pools([httpx.Client() for _ in range(3)])

    taken = [pools.taken() for _ in range(7)]
    pools.give_back(taken[1])

    assert [pool.under_way for pool in taken[:3]] == [3, 1, 2]
    assert pools.taken() is taken[1]


def test_requests_one_after_the_other_share_a_pool() -> None:
    used = Counter[int]()

    def pool(number: int) -> httpx.Client:
        def answer(_: httpx.Request) -> httpx.Response:
            used[number] += 1
            return httpx.Response(200)

        return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://simulated")

    transport = Transport(pool(0), pool(1))
    for _ in range(5):
        transport.send(READ)

    assert used == {0: 5}


def test_requests_at_once_are_spread_and_failures_give_their_place_back() -> None:
    used = Counter[int]()

    def pool(number: int) -> httpx.AsyncClient:
        async def answer(_: httpx.Request) -> httpx.Response:
            used[number] += 1
            await asyncio.sleep(0)
            if number == 1:
                raise httpx.ReadError("reset")
            return httpx.Response(200)

        return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://simulated")

    async def run() -> None:
        transport = AsyncTransport(*map(pool, range(4)), retries=Retries(limit=0))
        for _ in range(3):
            await asyncio.gather(*(transport.send(READ) for _ in range(8)), return_exceptions=True)
        await transport.close()

    asyncio.run(run())

    assert set(used) == {0, 1, 2, 3}
    assert used[0] >= used[3] >= 6
