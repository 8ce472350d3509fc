"""How every write but an import is answered: on the terms of its headers, and once for each idempotency key.

What is kept under a key is one line of JSON, `{"status": ..., "headers": {...}}`, with `"zlib": true` where the body
after it is compressed, and the body.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Annotated, Final, TypeAlias, TypeVar

from fastapi import Depends, Request
from starlette.responses import Response

from pergamum.api.bodies import read_json
from pergamum.api.dependencies import services
from pergamum.domain.etags import IfMatch
from pergamum.domain.replies import Key
from pergamum.errors import AnsweredBefore, Conflict, Invalid, InvalidField, NotFound
from pergamum.services.terms import Keeping, Terms

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
IF_MATCH: Final = "If-Match"
REPLAYED: Final = "Idempotency-Replayed"
KEY_PATTERN: Final = "^[!-~]{1,255}$"
IF_MATCH_PATTERN: Final = r'^(\*|\s*"[!#-~]*"\s*(,\s*"[!#-~]*"\s*)*)$'
COMPRESSED_FROM: Final = 4 << 10

_KEY_NAME: Final = IDEMPOTENCY_KEY.lower().encode("ascii")
_IF_MATCH_NAME: Final = IF_MATCH.lower().encode("ascii")
_ETAG: Final = re.compile('"([!#-~]*)"')
Result = TypeVar("Result")


class Write:
    """One request that writes. Made in the event loop, used in the thread of its route, once.

    Raises `InvalidField` for headers that cannot be understood.
    """

    def __init__(self, request: Request, body: bytes = b"") -> None:
        self.body = body
        self._request = request
        self._key, self._if_match = _terms(request.scope["headers"])

    def answered(
        self, library: str | None, do: Callable[[Terms[Result]], Result], respond: Callable[[Result], Response]
    ) -> Response:
        """Return the response to what is done now, or the one that the same request was given before.

        `library` is whose command it is; None: that of none, so its reply is kept in the catalogue.
        """
        if self._key is None:
            return respond(do(Terms(self._if_match)))
        key = Key(self._key, self._fingerprint())
        if library is not None:
            return self._once(key, library, do, respond)
        with services(self._request).replies.one_at_a_time(key):
            return self._once(key, library, do, respond)

    def _once(
        self,
        key: Key,
        library: str | None,
        do: Callable[[Terms[Result]], Result],
        respond: Callable[[Result], Response],
    ) -> Response:
        replies = services(self._request).replies
        made: list[Response] = []

        def reply_of(result: Result) -> bytes:
            made[:] = [respond(result)]
            return packed(made[0])

        try:
            replies.spare_work(key, library)
            result = self._done(key, library, lambda: do(Terms(self._if_match, Keeping(key, reply_of))))
        except AnsweredBefore as before:
            return unpacked(before.reply)
        return made[0] if made else respond(result)

    def _done(self, key: Key, library: str | None, do: Callable[[], Result]) -> Result:
        """Do it; where it is refused, that may be for what the same request did before, and then it was answered."""
        try:
            return do()
        except AnsweredBefore:
            raise
        except (Invalid, NotFound, Conflict):
            services(self._request).replies.refuse_answered(key, library)
            raise

    def _fingerprint(self) -> str:
        """Return the sha256 of all that makes this request, in hexadecimal. O(body)."""
        scope = self._request.scope
        digest = sha256()
        for part in (scope["method"].encode(), scope["raw_path"], scope["query_string"]):
            digest.update(part + b"\0")
        digest.update(self.body)
        return digest.hexdigest()


def packed(response: Response) -> bytes:
    """Return the response as it is kept."""
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    kept: dict[str, object] = {"status": response.status_code, "headers": headers}
    body = bytes(response.body)
    if len(body) >= COMPRESSED_FROM:
        body, kept["zlib"] = zlib.compress(body, 1), True
    return json.dumps(kept).encode("ascii") + b"\n" + body


def unpacked(reply: bytes) -> Response:
    """Return the response that was kept, marked as one that is given again."""
    line, _, body = reply.partition(b"\n")
    kept = json.loads(line)
    if kept.get("zlib"):
        body = zlib.decompress(body)
    return Response(body, kept["status"], {**kept["headers"], REPLAYED: "true"})


async def write(request: Request) -> Write:
    """Return the write of a request without a body."""
    return Write(request)


async def write_with_body(request: Request) -> Write:
    """Return the write of a request with a body of JSON. Raises `UnsupportedMediaType`, `TooLarge`."""
    return Write(request, await read_json(request))


WriteDep: TypeAlias = Annotated[Write, Depends(write)]
BodyWriteDep: TypeAlias = Annotated[Write, Depends(write_with_body)]


def _terms(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, IfMatch | None]:
    """Return the idempotency key and the versions that may be met. Raises `InvalidField`."""
    key, etags = None, None
    for name, value in headers:
        if name == _KEY_NAME:
            key = _key(key, value.decode("latin-1"))
        elif name == _IF_MATCH_NAME:
            etags = value if etags is None else etags + b"," + value
    return key, None if etags is None else _if_match(etags.decode("latin-1").strip())


def _key(before: str | None, given: str) -> str:
    if before is not None or not re.fullmatch(KEY_PATTERN, given):
        raise InvalidField(IDEMPOTENCY_KEY, "must be 1 to 255 visible ASCII characters")
    return given


def _if_match(listed: str) -> IfMatch:
    if listed == "*":
        return IfMatch(None)
    if not re.fullmatch(IF_MATCH_PATTERN, listed):
        raise InvalidField(IF_MATCH, 'must be `*` or etags in double quotes, as in "1-5f", separated by commas')
    return IfMatch(tuple(_ETAG.findall(listed)))
