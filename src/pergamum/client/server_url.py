"""Which server is asked, as whom."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import httpx

URL_VARIABLE: Final = "PERGAMUM_URL"
KEY_VARIABLE: Final = "PERGAMUM_API_KEY"
DEFAULT_URL: Final = "http://127.0.0.1:8000"


def server_url(given: str | None) -> str:
    """Return the URL given, or that of PERGAMUM_URL, or the default. Raises ValueError for what is no URL."""
    url = given or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ValueError(f"{url!r} is not the URL of a server, such as {DEFAULT_URL}")
    return url


def greeting(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request: who asks, by the key given or that of PERGAMUM_API_KEY, if any."""
    headers = {"user-agent": f"pergamum-python/{_version()}", "accept": "application/json"}
    key = api_key or os.environ.get(KEY_VARIABLE)
    return headers | ({"authorization": f"Bearer {key}"} if key else {})


def _version() -> str:
    try:
        return version("pergamum")
    except PackageNotFoundError:  # run from a source folder that is not installed
        return "0"
