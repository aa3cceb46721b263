"""Events that were given up: the letter, its table, and which of them somebody means."""
