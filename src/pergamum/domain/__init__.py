"""What is a library, a document, a chunk, a command? Pure rules, no I/O."""
