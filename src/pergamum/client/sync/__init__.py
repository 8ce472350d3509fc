# Made by scripts/make_sync_client from aio/__init__.py: change it there.
"""The clients' nouns. Those of `aio` are written by hand, those of `sync` are made from them."""
