"""Pergamum: a vector database. Libraries of documents made of chunks, searched by meaning."""
