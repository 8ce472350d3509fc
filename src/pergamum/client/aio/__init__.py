"""The clients' nouns. Those of `aio` are written by hand, those of `sync` are made from them."""
