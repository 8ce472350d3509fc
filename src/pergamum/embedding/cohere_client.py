"""One call of Cohere's API v2, and what its failures mean. The only file that imports the SDK.

The SDK's own retries are off: they sleep up to a minute between tries, take `Retry-After: 0` for no answer, and give up
at once when a connection breaks or a read times out. No failure carries the key, the texts or the headers.
"""

import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import TypedDict

import cohere
import httpx
from cohere.core.api_error import ApiError
from cohere.core.parse_error import ParsingError
from pydantic import SecretStr

from pergamum.embedding.retry import Failed

LONGEST_MESSAGE = 200
PASSING = frozenset({408, 409, 425, 429})
REFUSED_KEY = frozenset({401, 403})


class _Width(TypedDict, total=False):
    output_dimension: int


class CohereClient:
    """The SDK's client with its key. Threads: calls may overlap."""

    def __init__(self, key: SecretStr, base_url: str, timeout_s: float) -> None:
        self._key, self._timeout_s = key, timeout_s
        self._http = httpx.Client()
        self._sdk = cohere.ClientV2(
            api_key=key.get_secret_value(),
            base_url=base_url,
            client_name="pergamum",
            timeout=timeout_s,
            max_retries=0,
            httpx_client=self._http,
            log_warning_experimental_features=False,
        )

    def embed(self, model: str, input_type: str, texts: Sequence[str], dimension: int | None) -> object:
        """Return what should be a list of lists of numbers, or `Failed`. `dimension` None leaves it to the model."""
        width = _Width() if dimension is None else _Width(output_dimension=dimension)
        answer = self._asked(
            lambda: self._sdk.embed(
                model=model, input_type=input_type, texts=texts, embedding_types=["float"], truncate="END", **width
            )
        )
        return answer if isinstance(answer, Failed) else getattr(getattr(answer, "embeddings", None), "float_", None)

    def rerank(self, model: str, query: str, texts: Sequence[str]) -> object:
        """Return what should be one result a text, each with `index` and `relevance_score`, or `Failed`."""
        answer = self._asked(lambda: self._sdk.rerank(model=model, query=query, documents=texts))
        return answer if isinstance(answer, Failed) else getattr(answer, "results", None)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _asked(self, send: Callable[[], object]) -> object:
        try:
            return send()
        except ApiError as error:
            return self._refused(error)
        except httpx.TimeoutException:
            return Failed(f"no answer within {self._timeout_s:g} s", passing=True)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            return Failed(f"the request cannot be sent ({type(error).__name__})", passing=False)
        except httpx.TransportError as error:
            return Failed(f"cannot be reached ({type(error).__name__})", passing=True)
        except (httpx.HTTPError, ParsingError, TypeError, ValueError) as error:  # the SDK trusts the answer's shape
            return Failed(f"the answer cannot be read ({type(error).__name__})", passing=False)

    def _refused(self, error: ApiError) -> Failed:
        status = error.status_code or 0
        if status in REFUSED_KEY:
            return Failed(f"the key was refused (status {status})", passing=False)
        if status < 400:
            return Failed(f"the answer cannot be read (status {status})", passing=False)
        passing = status in PASSING or status >= 500
        after_s = _retry_after(error.headers or {}) if passing else None
        return Failed(f"status {status}{self._message(error.body)}", passing, after_s)

    def _message(self, body: object) -> str:
        message = body.get("message") if isinstance(body, dict) else None
        if not isinstance(message, str) or not message:
            return ""
        return f": {message.replace(self._key.get_secret_value(), '***')[:LONGEST_MESSAGE]}"


def _retry_after(headers: dict[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, given as a number or as a date; None if there is none to read."""
    value = {name.lower(): value for name, value in headers.items()}.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
