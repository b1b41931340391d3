"""What Redis answers to a command: as lines for people, and as JSON."""

from collections.abc import Iterator

from mas.cli.printable import printable


def shown(answer: object) -> Iterator[str]:
    """Yield an answer line by line; each line of a text is one, and nothing moves the cursor."""
    if isinstance(answer, list) and answer:
        width = len(str(len(answer)))
        for number, each in enumerate(answer, 1):
            first, *more = shown(each)
            yield f"{number:>{width}}) {first}"
            yield from (f"{'':{width}}  {line}" for line in more)
    elif isinstance(answer, bytes | str):
        yield from map(printable, _text(answer).splitlines() or [""])
    else:
        yield "(empty)" if isinstance(answer, list) else "(nil)" if answer is None else printable(answer)


def plain(answer: object) -> object:
    """Return an answer as JSON can hold it: bytes that are no text are escaped."""
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    return (
        _text(answer)
        if isinstance(answer, bytes)
        else answer
        if isinstance(answer, int | None)
        else str(answer)
    )


def _text(answer: bytes | str) -> str:
    return answer if isinstance(answer, str) else answer.decode("utf-8", "backslashreplace")
