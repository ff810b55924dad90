"""Shows words that are not ours letter by letter, whatever a terminal or rich would read in them."""

from rich.text import Text


def plain(words: str) -> Text:
    """Leave nothing in them that is obeyed: no markup, no emoji code, no control character."""
    return Text("".join(letter if letter.isprintable() else " " for letter in words))
