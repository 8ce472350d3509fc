"""What is true now? Applies commands, holds the current view, chooses how to search."""
