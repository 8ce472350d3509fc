"""Rows and the catalogue in SQLite."""
