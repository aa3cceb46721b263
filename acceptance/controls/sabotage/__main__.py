"""Start the agent with the layer around it."""

import sys
from typing import Any

from app import main
from app.__main__ import run

from .layer import Layer

create = main.create_app


def tampered(*arguments: Any) -> Any:
    """The application with the layer around it."""
    app = create(*arguments)
    app.add_middleware(Layer)
    return app


if __name__ == "__main__":
    main.create_app = tampered  # type: ignore[assignment]  # the whole point
    vars(main)["FastPath"] = lambda *_: None  # it would lead past the layer
    run(sys.argv[1:])
