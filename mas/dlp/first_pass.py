"""One pass of RE2 over raw bytes decides whether anything is worth a closer look, and by which rules."""

# ruff: noqa: E501 - a pattern is read in one line

from collections.abc import Sequence

import re2

from mas.dlp import readings, unwrap
from mas.dlp.rule import Rule

_MEMORY = 128 << 20
# Escapes of JSON that only stand for layout or punctuation, and what they look like to a rule.
_PLAIN_ESCAPES = ((b"\\n", b"\n"), (b'\\"', b'"'), (b"\\t", b"\t"), (b"\\r", b"\r"), (b"\\/", b"/"))
# UTF-8 of look-alikes: invisible characters, styled, full-width and foreign digits and letters, odd spaces and dashes.
_LOOK_ALIKE = (
    rb"\xc2[\xa0\xad\xb2\xb3\xb7\xb9]|[\xcc\xcd][\x80-\xbf]|[\xce\xcf\xd0\xd1\xd4\xd5][\x80-\xbf]|[\xd9\xdb][\xa0-\xb9]|\xdf[\x80-\x89]"
    rb"|\xe0[\xa5-\xbf][\x80-\xbf]|\xe1(?:\x85[\x9f\xa0]|\x9f[\xa0-\xa9]|\xa0[\x8b-\x99]|[\xb4-\xb6][\x80-\xbf])"
    rb"|\xe2(?:\x80[\x80-\x95\xa4\xa7\xa8-\xaf]|\x81[\x84\x9f-\xbf]|\x82[\x80-\x89]|\x88[\x92\x95\x99]|[\x91-\x93][\x80-\xbf]|\xa0\x80|\x9d[\xb6-\xbf]|\x9e[\x80-\x93])"
    rb"|\xe3\x85\xa4|\xef(?:\xb8[\x80-\x8f]|\xbb\xbf|[\xbc\xbd][\x80-\xbf]|\xb9[\x90-\xab])|\xf0\x9d[\x90-\x9f]|\xf0\x9f[\x84-\x86]|\xf3\xa0"
)


class FirstPass:
    """The triggers of a set of rules, compiled into one automaton.

    :param rules: whose triggers are looked for; the answer to `wakes` is in their terms
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules_by_index: list[tuple[Rule, ...]] = []
        self.patterns: list[bytes] = []
        """What is looked for, also valid for the standard library's `re` on bytes."""
        by_trigger: dict[str, list[Rule]] = {}
        for rule in rules:
            for trigger in rule.wakes_on:
                by_trigger.setdefault(trigger, []).append(rule)
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = _MEMORY
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for trigger, wakened in by_trigger.items():
            self._add(trigger.encode("latin-1"), tuple(wakened))
        for trigger in (*readings.WAKES_ON, *unwrap.WAKES_ON):
            self._add(trigger.encode("latin-1"), ())
        self._add(_LOOK_ALIKE, ())
        self._set.Compile()
        self._match = self._set.Match

    def _add(self, pattern: bytes, rules: tuple[Rule, ...]) -> None:
        self._set.Add(pattern)
        self.patterns.append(pattern)
        self._rules_by_index.append(rules)

    def is_clean(self, payload: bytes) -> bool:
        """Say whether raw JSON holds nothing that any rule, or any other reading of the text, could start from."""
        if b"\\" in payload:
            for escape, plain in _PLAIN_ESCAPES:
                payload = payload.replace(escape, plain)
            if b"\\" in payload:
                return False
        return self._match(payload) is None

    def wakes(self, text: bytes) -> tuple[Rule, ...] | None:
        """Return the rules that could match in folded text, or None where no other reading is worth trying either."""
        hits = self._match(text)
        if hits is None:
            return None
        return tuple(dict.fromkeys(rule for hit in hits for rule in self._rules_by_index[hit]))
