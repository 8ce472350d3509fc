"""Pages for what the documentation links to outside docs/: the site shows the files itself and needs no other host."""

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
FOLDER: Final = "source"
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z][a-z0-9+.-]*:|#|/)([^)\s#]+)")
_LANGUAGES: Final = {
    ".py": "python",
    ".sh": "bash",
    ".md": "markdown",
    ".toml": "toml",
    ".yml": "yaml",
    ".json": "json",
}
_TEXT: Final = {".py", ".sh", ".md", ".toml", ".yml", ".json", ".txt", ".LICENSE", ""}


def outside(page: str, markdown: str) -> Iterator[Path]:
    """Yield what the page at docs/`page` links to outside docs/, with folders of docs/ that have no index page."""
    for link in _LINK.findall(markdown):
        target = _target(page, link)
        if target.exists() and (not target.is_relative_to(DOCS) or target.is_dir()):
            yield target


def redirected(page: str, markdown: str) -> str:
    """Return the text of docs/`page` with its links to such places leading to their pages."""

    def replaced(link: re.Match[str]) -> str:
        target = _target(page, link[1])
        if not target.exists() or (target.is_relative_to(DOCS) and not target.is_dir()):
            return link[1]
        return posixpath.relpath(address(target), posixpath.dirname(page) or ".")

    return _LINK.sub(replaced, markdown)


def address(target: Path) -> str:
    """Return where in the site, as a path of docs/, the page of a file or folder is."""
    place = target.relative_to(DOCS if target.is_relative_to(DOCS) else ROOT).as_posix()
    page = f"{place}/index.md" if target.is_dir() else f"{place}.md"
    return page if target.is_relative_to(DOCS) else f"{FOLDER}/{page}"


def shown(target: Path) -> str:
    """Return the page that shows a file, or lists a folder."""
    name = target.relative_to(ROOT).as_posix()
    lines = _listed(target) if target.is_dir() else _file(target)
    return "\n".join(["---", "search:", "  exclude: true", "---", "", f"# {name}", "", *lines, ""])


def _target(page: str, link: str) -> Path:
    return Path(posixpath.normpath((DOCS / page).parent.as_posix() + "/" + link))


def _file(target: Path) -> Iterator[str]:
    if target.suffix not in _TEXT:
        yield "A file of the project that is not text."
        return
    yield f"~~~~~~~~ {_LANGUAGES.get(target.suffix, 'text')}"
    yield target.read_text()
    yield "~~~~~~~~"


def _listed(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        name = f"[{path.name}]({path.name})" if folder.is_relative_to(DOCS) else f"`{path.name}`"
        says = _first_line(path)
        yield f"- {name}: {says}" if says else f"- {name}"


def _first_line(path: Path) -> str:
    """Return what a module or a page says of itself in its first line."""
    module = path / "__init__.py" if path.is_dir() else path
    if module.suffix == ".py" and module.exists():
        return (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]
    if module.suffix == ".md" and module.exists():
        return module.read_text().partition("\n")[0].lstrip("# ")
    return ""
