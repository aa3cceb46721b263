"""HTTP below the routes: the protocol, its bounds, and the end of a process."""
