"""What an operator does beside the running agent: a module per command of `python -m app`, see `app/__main__.py`."""
