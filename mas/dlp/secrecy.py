"""Whether a value can be a secret at all: neither a placeholder, nor code, nor prose, nor too regular."""

# ruff: noqa: E501 - a pattern is read in one line

import math
from collections import Counter

from mas.dlp.rule import compiled

_PLACEHOLDER = compiled(
    r"(?i)^[<\[({].*[>\])}]$|^<|>$|\$\{|\$\(|^\$[a-z_]+$|\{\{|\}\}|^%[a-z_]\w*%$|%\(|^%s$|^#\{|\*{3}|^[x*.\-_#0•?]+$|xxxx|\.\.\.|…|_here$|-here$"
    r"|^(?:your|my|insert|enter|put|add|replace|paste|type|use|some|the|a|an|any|new|old|user|db|test|dummy|fake|sample|demo|example|default)?"
    r"[-_ ]?(?:api|access|secret|auth|client)?[-_ ]?(?:password|passwd|pwd|passphrase|secret|token|key|value|string|credentials?|placeholder)"
    r"(?:[-_ ]?(?:here|goes here|value|string|example|placeholder))?$"
    r"|^your[-_ ]|placeholder|redacted|change[-_]?me|replace[-_]?me|example|^(?:foo|bar|baz|foobar|todo|tbd|n/?a|nil|null|none|undefined|true|false|yes|no|on|off)$"
    r"|^(?:string|str|int|text|bool|boolean|bytes|optional|required|hidden|masked|removed|omitted|unset|empty|unknown|missing|encrypted|hashed|secret)$"
)
_CODE = compiled(
    r"(?i)^(?:os|process|env|config|settings|self|this|request|req|args|params|ctx|options|opts|secrets|vault|var|local|data|module)[.\[]"
    r"|\(\)|\)$|^[a-z_]+\(|^[a-z_]\w*\.[a-z_]\w*(?:\.[a-z_]\w*)+$|(?-i:^[A-Z]+(?:_[A-Z]+)+$)|^(?:get|read|load|fetch|generate)_[a-z_]+$|environ|getenv|process\.env"
    r"|^arn:|^projects/|^vault:|^op://|^ssm:|^file:|^~?/[\w.-]+/|^https?://[^@]*$"
)
_UUID = compiled(r"(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def is_placeholder(value: str) -> bool:
    """Say whether the value only holds the place of a secret: `<password>`, `${TOKEN}`, `********`."""
    return len(set(value)) < 3 or bool(_PLACEHOLDER.search(value))


def is_code(value: str) -> bool:
    """Say whether the value is an expression or a reference that says where the secret is, not what it is."""
    return bool(_CODE.search(value))


def is_uuid(value: str) -> bool:
    """Say whether the value is a UUID."""
    return bool(_UUID.search(value))


def entropy(value: str) -> float:
    """Return the Shannon entropy of the value's characters, in bits a character."""
    length = len(value)
    return -sum(count / length * math.log2(count / length) for count in Counter(value).values())


def looks_random(value: str, at_least: float = 3.0) -> bool:
    """Say whether the value mixes characters as a generated secret does, not as a word or a name."""
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    if not letters:
        return False
    if digits:
        return entropy(value) >= at_least
    return len(value) >= 20 and not value.islower() and not value.isupper() and entropy(value) >= 4.0
