"""How do they look as JSON? Shared by the server and the client."""
