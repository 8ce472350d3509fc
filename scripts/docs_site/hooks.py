"""What the site needs besides docs/: references made from the code, the source that is linked to, lists of folders."""

import posixpath
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from scripts.docs_site import cli_reference, rest_reference
from scripts.docs_site.source_pages import DOCS, address, outside, redirected, shown

POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; base-uri 'self'\">"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each entry of the navigation that is a folder by the pages in it."""
    config.nav = [_unfolded(entry) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file and folder that a page links to and docs/ has no page for."""
    wanted = {
        target
        for file in files.documentation_pages()
        for target in outside(file.src_uri, file.content_string)
        if files.get_file_from_path(address(target)) is None
    }
    for target in sorted(wanted):
        page = File.generated(config, address(target), content=shown(target), inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the pages made above, and write the references of REST and of the command line into their pages."""
    del config, files
    if cli_reference.MARK in markdown:
        markdown = markdown.replace(cli_reference.MARK, cli_reference.reference())
    if rest_reference.MARK in markdown:
        return markdown.replace(rest_reference.MARK, rest_reference.reference(rest_reference.described()))
    return redirected(page.file.src_uri, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Let the browser itself refuse whatever a page would load from elsewhere."""
    del page, config
    return _closed(output)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """Do the same for what is no page of docs/, such as 404.html."""
    del template_name, config
    return _closed(output_content)


def _closed(html: str) -> str:
    return html.replace("<head>", f"<head>{POLICY}", 1)


def _unfolded(entry: Any) -> Any:  # noqa: ANN401  # an entry is a string, or a list or dict of entries, as YAML has it
    if isinstance(entry, dict):
        return {title: _unfolded(part) for title, part in entry.items()}
    if isinstance(entry, list):
        return [_unfolded(part) for part in entry]
    return _pages(entry) if entry.endswith("/") else entry


def _pages(folder: str) -> list[str]:
    return [posixpath.join(folder, path.name) for path in sorted(Path(DOCS, folder).glob("*.md"))]
