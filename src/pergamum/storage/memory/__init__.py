"""The twin of the SQLite storage for tests: the same contract, kept in dictionaries, copied at each write."""
