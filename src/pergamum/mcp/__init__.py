"""An MCP server: libraries of Pergamum as tools and resources of a language model's client, over stdio."""
