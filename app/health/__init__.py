"""What `/ready` says: the dependencies, and whether events make their way."""
