"""Bad input of every class and of random make, sent to every route in process, and byte by byte to a server."""
