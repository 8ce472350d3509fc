"""A reader who follows a page: runs its code blocks one after another against a server, and compares what it says."""

import contextlib
import doctest
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from pergamum.client import Pergamum
from tests.support.code_blocks import Block
from tests.support.model import Json

SHOWN_ADDRESS = re.compile(r"http://(127\.0\.0\.1|localhost):8000")
# A refusal must end a session here, whatever options the page's curl has.
STRICT = 'set -euo pipefail\ncurl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


class PageSession:
    """Runs blocks in the order in which they are given. Python blocks share their names, shell blocks `folder`."""

    def __init__(self, base_url: str, folder: Path) -> None:
        self._base_url, self._folder = base_url, folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._printed, self._answer = "", None

    def close(self) -> None:
        """Close the clients that the page left open."""
        for value in self._names.values():
            if isinstance(value, Pergamum):
                value.close()

    def follow(self, block: Block) -> None:
        """Run the block, or compare it. Raises `AssertionError` where it does not work as the page says."""
        if block.said == "prints":
            assert self._printed.rstrip() == block.code.rstrip(), f"{block.place}: it printed\n{self._printed}"
        elif block.said == "sent":
            self._send(block, *_request(block.about), block.code)
        elif block.language == "json":
            self._read(block)
        elif block.language == "http":
            first, _, body = block.code.partition("\n")
            self._send(block, *_request(first), body)
        elif block.language == "python":
            self._python(block)
        else:
            self._shell(block)

    def _read(self, block: Block) -> None:
        said: Json = json.loads(block.code)
        if block.said == "answered":
            assert_part(said, self._answer)

    def _send(self, block: Block, method: str, path: str, status: int | None, body: str) -> None:
        content = body.encode() if body.strip() else None
        headers = {"content-type": "application/json"} if content else {}
        answer = httpx.request(method, self._base_url + path, content=content, headers=headers, trust_env=False)
        expected = answer.is_success if status is None else answer.status_code == status
        assert expected, f"{block.place}: {answer.status_code} {answer.text}"
        self._answer = answer.json() if answer.content else None

    def _python(self, block: Block) -> None:
        code = SHOWN_ADDRESS.sub(self._base_url, block.code)
        if ">>> " in code:
            self._compare(block, code)
            return
        place = "\n" * (block.line - 1) + code  # so that a traceback names the line of the page
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(place, str(block.page), "exec"), self._names)  # noqa: S102  # the page is ours
        self._printed = output.getvalue()

    def _compare(self, block: Block, code: str) -> None:
        test = doctest.DocTestParser().get_doctest(code, self._names, block.place, str(block.page), block.line - 1)
        output = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        outcome = runner.run(test, out=output.write, clear_globs=False)
        self._names.update(test.globs)
        assert test.examples, f"{block.place}: no example was found"
        assert outcome.failed == 0, output.getvalue()

    def _shell(self, block: Block) -> None:
        assert block.language == "bash", f"{block.place}: nobody knows how to run {block.language!r}"
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", STRICT + SHOWN_ADDRESS.sub(self._base_url, block.code)],
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=os.environ | {"PATH": search, "PERGAMUM_URL": self._base_url, "COLUMNS": "120"},
            check=False,
        )
        assert done.returncode == 0, f"{block.place}:\n{done.stdout}\n{done.stderr}"
        self._printed = done.stdout


def emptied(base_url: str) -> None:
    """Delete all libraries of the server, so that no page knows what another one made."""
    with httpx.Client(base_url=base_url, trust_env=False) as http:
        while libraries := http.get("/v1/libraries").json()["items"]:
            for library in libraries:
                http.delete(f"/v1/libraries/{library['id']}").raise_for_status()


def _request(line: str) -> tuple[str, str, int | None]:
    """Split `POST /v1/libraries -> 201` into method, path and the status expected, None for any success."""
    request, _, status = line.partition("->")
    method, path = request.split()
    return method, path, int(status) if status else None


def assert_part(said: Json, answered: Json) -> None:
    """Check that all that is said is answered: fields of objects, the first items of lists."""
    if isinstance(said, dict):
        for name, value in said.items():
            assert_part(value, answered[name])
    elif isinstance(said, list):
        assert len(said) <= len(answered)
        assert said or not answered
        for value, found in zip(said, answered, strict=False):
            assert_part(value, found)
    else:
        assert answered == (pytest.approx(said) if isinstance(said, float) else said)
