"""Every error the client raises. Catch `ClientError` for all of them, or a built-in where one says the same.

ClientError
├─ Unreachable (ConnectionError)       no connection was made, so the server saw nothing
├─ Interrupted (ConnectionError)       the connection broke; a write may or may not have been done
├─ TimedOut (TimeoutError)             no answer in time; a write may or may not have been done
├─ Unsendable (ValueError)             what was given cannot be written as JSON; nothing of it was sent
├─ UnexpectedAnswer                    the answer is not one of Pergamum's, or of a newer release
├─ OperationFailed                     long work that was waited for failed or was cancelled; carries the operation
├─ StillRunning (TimeoutError)         long work that was waited for goes on; carries the operation
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
from typing import TYPE_CHECKING, Any, TypeAlias

from pergamum.wire.operations import OperationOut

if TYPE_CHECKING:
    from pergamum.client.batching import Stored

Facts: TypeAlias = Mapping[str, Any]
"""A JSON object as it came."""


class ClientError(Exception):
    """Something the client could not do.

    `code` names the kind of error in lower case with hyphens. `status`, `request_id` and `body` are those of the
    server's answer: None where there was none. `stored` is what an `add_many` had stored when the error ended it.
    """

    status: int | None = None
    request_id: str | None = None
    body: Facts | None = None
    stored: "Stored | None" = None

    @property
    def code(self) -> str:
        """The kind of error, such as `timed-out` or `library-not-found`: stable, for programs."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)[1:]


class Unreachable(ClientError, ConnectionError):
    """No connection could be made: the server saw nothing of the request."""


class Interrupted(ClientError, ConnectionError):
    """The connection broke after the request was sent: a write may or may not have been done."""


class TimedOut(ClientError, TimeoutError):
    """No answer came in time: a write may or may not have been done."""


class Unsendable(ClientError, ValueError):
    """What was given cannot be written as JSON, or is no vector: nothing of it was sent."""


class UnexpectedAnswer(ClientError):
    """The answer is not what this release of the client understands. Is the URL that of a Pergamum server?"""


class OperationFailed(ClientError):
    """Long work failed or was cancelled; `operation.error` says why."""

    def __init__(self, operation: OperationOut) -> None:
        self.operation = operation
        reason = (operation.error or {}).get("detail") or (operation.error or {}).get("reason") or ""
        super().__init__(f"operation {operation.id} ({operation.kind}) {operation.status}: {reason}".rstrip(": "))


class StillRunning(ClientError, TimeoutError):
    """Long work has not ended in the time that was given to it; it goes on."""

    def __init__(self, operation: OperationOut) -> None:
        self.operation = operation
        super().__init__(f"operation {operation.id} ({operation.kind}) is {operation.status}")


class Refused(ClientError):
    """The server answered with a problem (RFC 9457).

    `status` is that of HTTP; `type`, `title` and `detail` are the problem's, `code` is the end of the type;
    `request_id` finds the request in the server's log; `body` is the whole problem, with its facts: which field, which
    item of a batch, which limit.
    """

    status: int
    body: Facts

    def __init__(self, status: int, body: Facts, *, request_id: str | None, retry_after: float | None = None) -> None:
        self.status, self.body = status, body  # pyright: ignore[reportIncompatibleVariableOverride]  # a refusal has both
        self.type = str(body.get("type", "about:blank"))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", "") or self.title or f"status {status}")
        self.request_id, self.retry_after = request_id, retry_after
        super().__init__(self.detail)

    @property
    def code(self) -> str:
        """The last part of the problem's type, such as `library-not-found`; http-503 where the answer had none."""
        return self.type.rpartition("/")[2] if self.type != "about:blank" else f"http-{self.status}"

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
