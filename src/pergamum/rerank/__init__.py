"""Which of the texts that were found answers best? One file per provider behind one contract, and who is available."""
