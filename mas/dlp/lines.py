"""Scan line by line: one JSON text or object in, one JSON verdict out, in the same order."""

import json
from collections.abc import Iterable, Iterator

from mas.dlp.finding import Verdict, refused
from mas.dlp.scan import Scanner


def run_scan_lines(lines: Iterable[str | bytes], scanner: Scanner | None = None) -> Iterator[str]:
    """Yield a JSON verdict for each line: `{"action": ..., "findings": [...]}`.

    A line holds a JSON text, or an object: its key `text` is scanned where it has one that is a text, else
    all of it. A line that is not JSON is scanned as the text it is. Blank lines are skipped.

    :param scanner: with the deployment's policy; the default policy where none is given
    """
    judge = scanner if scanner is not None else Scanner()
    for line in lines:
        text = line.decode(errors="replace") if isinstance(line, bytes) else line
        if text.strip():
            yield json.dumps(_scanned(text.strip("\r\n"), judge).as_dict())


def _scanned(line: str, scanner: Scanner) -> Verdict:
    try:
        value = json.loads(line)
    except RecursionError:
        return refused("the payload cannot be judged: it is nested too deeply")
    except ValueError:
        return scanner.scan_text(line)
    if isinstance(value, str):
        return scanner.scan_text(value)
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return scanner.scan_text(value["text"])
    return scanner.scan(line.encode("utf-8", "surrogatepass"))
