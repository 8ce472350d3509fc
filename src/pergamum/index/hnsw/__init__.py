"""Approximate search by walking a navigable graph of 8-bit codes."""
