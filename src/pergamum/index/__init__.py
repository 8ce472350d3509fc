"""Which vectors are nearest? Our own algorithms over slots."""
