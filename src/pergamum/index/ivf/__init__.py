"""Partitions of the vectors, scanned by 4-bit codes."""
