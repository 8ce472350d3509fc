"""Which request does what? Routes, and errors turned into problem+json."""
