"""How does text become vectors? One file per provider behind one contract, a cache, and who is available."""
