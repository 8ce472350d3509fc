"""Processes that accept from one queue take about as many connections each."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from pergamum.cli.accepting import Acceptor, Shares


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener


def test_a_process_is_greedy_while_another_has_fewer_connections() -> None:
    first = Shares.among(3)
    second = Shares(first.descriptor, 1)
    first.begin()
    assert not first.greedy()
    second.begin()
    first.add(1)

    assert (first.greedy(), second.greedy()) == (True, False)
    second.add(2)
    assert (first.greedy(), second.greedy()) == (False, True)
    first.end(1)  # it was killed: nobody waits for it
    first.add(5)
    assert not first.greedy()


class Process:
    """One of the processes, its connections, and an event once all together have so many."""

    def __init__(self, listener: socket.socket, shares: Shares, wanted: int, others: "list[Process]") -> None:
        self.taken: list[socket.socket] = []
        self._shares, self._wanted, self._all = shares, wanted, [*others, self]
        self.enough: asyncio.Event = others[0].enough if others else asyncio.Event()
        self.acceptor = Acceptor(listener, shares, self._take)

    def _take(self, connection: socket.socket) -> None:
        self.taken.append(connection)
        self._shares.add(1)
        if sum(len(process.taken) for process in self._all) == self._wanted:
            self.enough.set()

    def close(self) -> None:
        self.acceptor.close()
        for connection in self.taken:
            connection.close()


async def test_connections_are_shared_evenly(listener: socket.socket) -> None:
    shares = Shares.among(2)
    with listener.dup() as same:
        first = Process(listener, shares, 20, [])
        second = Process(same, Shares(shares.descriptor, 1), 20, [first])
        first._all.append(second)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
        await asyncio.wait_for(first.enough.wait(), 60)
        for process in (first, second):
            process.close()

    assert (len(first.taken), len(second.taken)) == (10, 10)
    for client in clients:
        client.close()


async def test_one_that_does_not_come_is_not_waited_for(listener: socket.socket) -> None:
    shares = Shares.among(2)
    Shares(shares.descriptor, 1).begin()  # its process is busy: it accepts nothing
    process = Process(listener, shares, 3, [])
    clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]

    await asyncio.wait_for(process.enough.wait(), 60)

    process.close()
    for client in clients:
        client.close()
