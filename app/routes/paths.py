"""What a parameter in a path may hold."""

from starlette.convertors import Convertor, register_url_convertor


class AnyText(Convertor[str]):
    """Any characters, slashes and line breaks too: Starlette's `path` would take `/state/a%0A` for key `a`."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """Return the text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the text as it is."""
        return value


def register() -> None:
    """Let routes say `{name:text}`; before they are made."""
    register_url_convertor("text", AnyText())
