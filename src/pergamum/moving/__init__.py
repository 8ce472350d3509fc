"""How do vectors, texts and metadata get here from another database?

`opening.py` opens a place (a folder, a URL, a DSN, a file) as a `Source`, `mover.py` copies its rows into a library,
`report.py` says what arrived and what could not. Each kind of source is one file, the only one that knows its package.
"""
