"""Exact search in few dimensions by a tree of boxes."""
