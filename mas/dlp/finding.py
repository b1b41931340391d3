"""What a scan reports: where something was found and of which class, never what it was."""

import attrs

from mas.dlp.classes import Action


@attrs.frozen(slots=True)
class Finding:
    """One thing found.

    :param kind: its class, one of `CLASSES` or the name of a custom pattern
    :param path: the JSON path of the value (or, ending in `~`, the key) that holds it; `$` for a bare text
    :param start: offset of its first character in the decoded string at `path`
    :param end: offset after its last character
    :param confidence: above 0 and at most 1
    :param digest: a MAC of the value under the scanner's key, the same for the same value: 32 hex digits
    :param action: what the policy says is done about it; None where it is only reported
    :param rule: the rule that found it
    """

    kind: str
    path: str
    start: int
    end: int
    confidence: float
    digest: str
    action: Action | None
    rule: str

    def as_dict(self) -> dict[str, str | int | float]:
        """Return what `mas dlp scan --json` prints of a finding."""
        return {
            "class": self.kind,
            "start": self.start,
            "end": self.end,
            "path": self.path,
            "confidence": self.confidence,
        }


@attrs.frozen(slots=True)
class Verdict:
    """What is to be done with a payload.

    :param action: the strictest action of any finding; None lets the payload pass untouched
    :param findings: everything found, in the order of the payload
    :param redacted: the payload to deliver instead, where `action` is REDACT
    :param refusal: why the payload could not be judged (and is therefore blocked), or an empty text
    """

    action: Action | None
    findings: tuple[Finding, ...] = ()
    redacted: bytes | None = attrs.field(default=None, repr=False)
    refusal: str = ""

    @property
    def reason(self) -> str:
        """Name classes and paths, or the refusal, for an audit record or the sender; never a value."""
        if self.refusal or not self.findings:
            return self.refusal
        places: dict[str, list[str]] = {}
        for finding in self.findings:
            paths = places.setdefault(finding.kind, [])
            if finding.path not in paths:
                paths.append(finding.path)
        return "; ".join(f"{kind} at {', '.join(paths[:5])}" for kind, paths in places.items())

    def as_dict(self) -> dict[str, object]:
        """Return what `mas dlp scan --json` prints of a verdict."""
        shown: dict[str, object] = {
            "action": self.action,
            "findings": [finding.as_dict() for finding in self.findings],
        }
        return {**shown, "refusal": self.refusal} if self.refusal else shown


CLEAN = Verdict(None)
"""The one verdict on every clean payload: nothing is allocated for it."""


def refused(reason: str) -> Verdict:
    """Return the verdict on a payload that could not be judged: fail closed."""
    return Verdict(Action.BLOCK, refusal=reason)
