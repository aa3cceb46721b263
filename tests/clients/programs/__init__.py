"""The clients: a line of stdin is a request, a line of stdout its answer (`tests/clients/exchanges.py`)."""
