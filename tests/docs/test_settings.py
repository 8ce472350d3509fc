"""docs/settings.md documents every knob of the server, with the default, bounds and words of the code."""

from pergamum.settings import Settings
from scripts.document_settings import PAGE, rendered


def test_every_knob_is_documented() -> None:
    page = PAGE.read_text()

    missing = [name for name in Settings.model_fields if f"`PERGAMUM_{name.upper()}`" not in page]

    assert missing == [], "run: python scripts/document_settings.py"


def test_the_table_says_what_the_code_says() -> None:
    page = PAGE.read_text()

    assert rendered(page) == page, "run: python scripts/document_settings.py"


def test_every_knob_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
