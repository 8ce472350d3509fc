"""Exact search by a scan of 8-bit codes."""
