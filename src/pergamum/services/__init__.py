"""What does one request mean? One class a noun, one method a use case."""
