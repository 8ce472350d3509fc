"""Pergamum in the frameworks people have code for: one file each, each with an extra of its own."""
