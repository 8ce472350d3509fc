"""Every error the client raises. Catch `ClientError` for all of them, or a built-in where one says the same.

ClientError
├─ Unreachable (ConnectionError)       no connection was made, so the server saw nothing
├─ Interrupted (ConnectionError)       the connection broke; a write may or may not have been done
├─ TimedOut (TimeoutError)             no answer in time; a write may or may not have been done
├─ UnexpectedAnswer                    the answer is not one of Pergamum's, or of a newer release
└─ Refused                             the server answered with a problem; carries it
   ├─ Invalid (ValueError)             400, 422: the request can never work as it is
   ├─ NotAllowed (PermissionError)     401, 403
   ├─ NotFound (LookupError)           404
   ├─ Conflict                         409, 412: it contradicts what is stored
   ├─ TooLarge                         413: over a limit of the server; send less at once
   ├─ StorageFull                      507: no space is left; nothing of the write was kept
   ├─ Unavailable                      429, 502, 503, 504: try again, after `retry_after` seconds where it is known
   └─ ServerFailed                     any other 5xx: a defect of the server; its log has the request id
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any]
"""A JSON object as it came."""


class ClientError(Exception):
    """Something the client could not do."""


class Unreachable(ClientError, ConnectionError):
    """No connection could be made: the server saw nothing of the request."""


class Interrupted(ClientError, ConnectionError):
    """The connection broke after the request was sent: a write may or may not have been done."""


class TimedOut(ClientError, TimeoutError):
    """No answer came in time: a write may or may not have been done."""


class UnexpectedAnswer(ClientError):
    """The answer is not what this release of the client understands. Is the URL that of a Pergamum server?"""


class Refused(ClientError):
    """The server answered with a problem (RFC 9457).

    `status` is that of HTTP; `type`, `title` and `detail` are the problem's; `request_id` finds the request in the
    server's log; `body` is the whole problem, with its facts: which field, which item of a batch, which limit.
    """

    def __init__(self, status: int, body: Facts, *, request_id: str | None, retry_after: float | None = None) -> None:
        self.status, self.body = status, body
        self.type = str(body.get("type", "about:blank"))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", "") or self.title or f"status {status}")
        self.request_id, self.retry_after = request_id, retry_after
        super().__init__(self.detail)

    def __str__(self) -> str:
        traced = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} [{self.status} {self.type}{traced}]"


class Invalid(Refused, ValueError):
    """The request can never work as it is."""


class NotAllowed(Refused, PermissionError):
    """The server wants to know who asks, or refuses them."""


class NotFound(Refused, LookupError):
    """Nothing is stored under this name or id."""


class Conflict(Refused):
    """The request contradicts what is stored."""


class TooLarge(Refused):
    """The request is over a limit of the server."""


class StorageFull(Refused):
    """No space is left on the server's disk; nothing of the write was kept."""


class Unavailable(Refused):
    """The request may work later."""


class ServerFailed(Refused):
    """The server has a defect."""


_OF_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: TooLarge,
    422: Invalid,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: StorageFull,
}


def refusal(status: int, body: Facts, *, request_id: str | None, retry_after: float | None = None) -> Refused:
    """Return the error that fits the status."""
    kind = _OF_STATUS.get(status, ServerFailed if status >= 500 else Refused)
    return kind(status, body, request_id=request_id, retry_after=retry_after)
