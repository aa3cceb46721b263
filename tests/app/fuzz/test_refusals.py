"""The rules of what is refused fit the document, and have something to say of every class of input."""

from fnmatch import fnmatchcase

from acceptance.agent.inputs import bad_input
from acceptance.agent.inputs.bad_input import REFUSED, is_refused
from tests.app.fuzz.document import ROUTES

CASES = [*bad_input.cases(ROUTES)]
CLASSES = {*bad_input.CLASSES}
NOWHERE = {f"headers: {name}" for name in (
    "unknown charset", "encoding that it has not", "bad trace", "bad position", "position that is no number",
    "bad preference", "large",
)}  # fmt: skip


def test_every_rule_is_about_a_place_and_classes_there_are() -> None:
    places = {one.place for one in CASES}
    assert [pattern for pattern, _ in REFUSED if not any(fnmatchcase(one, pattern) for one in places)] == []
    assert {one for _, classes in REFUSED for one in classes} <= CLASSES


def test_every_class_but_these_is_refused_somewhere_and_every_class_but_another_method_is_accepted_somewhere() -> None:
    assert CLASSES - {one.input for one in CASES if is_refused(one)} == NOWHERE
    assert CLASSES - {one.input for one in CASES if not is_refused(one)} == {"method"}


def test_a_delivery_is_never_refused() -> None:
    assert not any(is_refused(one) for one in CASES if one.request.by_daprd)
