"""Make any text safe to print: it stays on its line, and moves no cursor."""


def printable(text: object) -> str:
    """Return the text with line ends, ESC and whatever else is not printed spelled as escapes."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(each: str) -> str:
    return each.encode("unicode_escape").decode("ascii")
