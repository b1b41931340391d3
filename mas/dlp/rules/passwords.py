"""Passwords: assigned, told in prose, filled into a field, typed on a command line."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.secrecy import is_code, is_placeholder
from mas.dlp.words import listed

_LOGIN_WORD = r"(?:pass ?words?|passwd|passwort|passphrase|pass[_ -]?code|pwd|contrasena|mot de passe|kennwort|passw|pw)"
GIVEN = r"[\"'`\\]{0,4}[ \t]{0,3}(?:=>|:=|==|=|:|->)[\s\x1f]{0,3}"
"""What stands between a name and the value it is given, in configuration, code and forms."""
VALUE = r"(?:\\?[\"'`](?P<v>[^\"'`\n\x1e]{4,200}?)\\?[\"'`]|"
"""A quoted value; a pattern that uses it goes on with the bare one, as group `u`, and closes the bracket."""
_PROSE = listed(
    "is was are the a an to for of in on at by as be or and if with from your my our their his her its this that it not no "
    "incorrect wrong invalid expired weak strong required protected reset changed updated correct secure unsafe stored saved "
    "sent being never always only must should can cannot will may has have had needed empty blank missing too same different "
    "case sensitive visible hidden shown policy manager field hash hashing hashed encrypted rotation rules requirements please see "
    "use enter provide type below above here there unknown set compromised leaked okay ok fine good bad safe longer shorter "
    "accepted rejected denied valid verified optional mandatory default temporary new old ask contact check forgot none about after "
    "until when where which who how why what again soon now later today tomorrow simple easy hard long short also still yet "
    "available unavailable disabled enabled managed provided generated kept part via through between under over recovery "
    "expires expire resets reminder strength length prompt screen page form box dialog input login account reuse sharing"
)
_LETTERS_ONLY = compiled(r"^[A-Za-z]+[.,;:!?]?$")
_ORDINARY = compiled(
    r"(?i)^\d{1,3}$|^[a-z]+'[a-z]{1,2}$|^[a-z]+-(?:protected|sensitive|based|only|related|less|free|[a-z]+ed)$|^(?:https?|www)\b|^[a-z]+[/-][a-z]+$"
    r"|^\d+[-+]?(?:characters?|chars|days|minutes|attempts|times)?$|^v?\d+(?:\.\d+)+$|^\(|^--?[a-z]|^[a-z]+\.[a-z]+$|^\d{4}-\d\d-\d\d$|^(?:sha|md|rfc|aes|base|oauth|utf)-?\d+$|%$"
)
_WAKING = (
    r"(?i)pass ?word|passwd|passphrase|pass ?code|passwort|kennwort|contrase|mot de passe|\bpwd\b|\bpw\b"
)


def _given(candidate: Candidate) -> float:
    value = candidate.value.rstrip(".,;")
    if _cannot_be(value) or ("(" in value and value.endswith(")")) or candidate.after(1) == "(":
        return 0
    assigned = candidate.text[candidate.match_start : candidate.start]
    quoted = candidate.after(1) in {"'", '"', "`", "\\"}
    if "==" in assigned and not quoted:
        return 0
    if _LETTERS_ONLY.search(value):
        goes_on = candidate.after(1) == " " and candidate.after(3)[1:].strip().isalpha()
        return 0 if goes_on and "=" not in assigned and not quoted else 0.75
    return 0.95


def _given_briefly(candidate: Candidate) -> float:
    return 0.9 if _is_odd(candidate.value.rstrip(".,;")) else 0


def _field(candidate: Candidate) -> float:
    if _cannot_be(candidate.value):
        return 0
    spoken = candidate.value.lower().split()
    return 0 if len(spoken) > 2 and sum(word.strip(".,;:") in _PROSE for word in spoken) >= 2 else 0.95


def _spoken(candidate: Candidate) -> float:
    value = candidate.value.rstrip(".,;!?")
    if _cannot_be(value):
        return 0
    if any(not c.isalpha() for c in value.strip("\"'`")):
        return 0 if _ORDINARY.search(value) else 0.9
    mixed = value[1:] != value[1:].lower() and not value.isupper()
    return 0.8 if mixed or value[0] in "\"'`" else 0


def _beside(candidate: Candidate) -> float:
    value = candidate.value.rstrip(".,;!?")
    return 0.8 if len(value) >= 6 and _is_odd(value) and any(c.isalpha() for c in value) else 0


def _typed(candidate: Candidate) -> float:
    return 0 if _cannot_be(candidate.value) else 0.85


def _is_odd(value: str) -> bool:
    """Whether the value holds what a word of prose does not."""
    strange = any(c.isdigit() or c in "!@#$%^&*+~?" for c in value)
    return strange and not _cannot_be(value) and not _ORDINARY.search(value)


def _cannot_be(value: str) -> bool:
    return len(value) < 4 or is_placeholder(value) or is_code(value) or value.lower() in _PROSE


PASSWORDS: tuple[Rule, ...] = (
    Rule(
        "password-given",
        "password",
        rf"(?i){_LOGIN_WORD}(?: (?:for|to|of|on|at|in) [^\n.:;=,\"']{{1,40}}?)?{GIVEN}{VALUE}(?P<u>[^\s\"'`<>,;]{{4,128}}|<[^>\s]{{1,60}}>))",
        _given,
        triggers=(
            rf"(?i){_LOGIN_WORD}[\"'`\\]{{0,4}}[ \t]{{0,3}}(?:=|:|->)",
            rf"(?i){_LOGIN_WORD} (?:for|to|of|on|at|in) ",
        ),
    ),
    Rule(
        "password-given-briefly",
        "password",
        rf"(?i)(?:\b|_)pass{GIVEN}{VALUE}(?P<u>[^\s\"'`<>,;]{{4,128}}))",
        _given_briefly,
        triggers=(r"(?i)(?:\b|_)pass[\"'`\\]{0,4}[ \t]{0,3}(?:=|:|->)",),
    ),
    Rule(
        "password-field",
        "password",
        rf"(?i)(?:^|[ _]){_LOGIN_WORD}(?: (?:value|text|plain|plaintext|current|new|old))?:\x1f(?P<v>[^\x1e]{{4,256}})$",
        _field,
        triggers=(
            rf"(?i){_LOGIN_WORD}[\"'`\\]{{0,4}}[ \t]{{0,3}}(?:=|:|->)",
            rf"(?i){_LOGIN_WORD}(?:[ _]value)?\" ?(?:,|:)",
            rf"(?i){_LOGIN_WORD} value:\x1f",
        ),
    ),
    Rule(
        "password-element",
        "password",
        rf"(?i)<{_LOGIN_WORD}(?: [^<>\n]{{1,60}})?>(?P<v>[^<>\s]{{4,128}})</",
        _given,
        triggers=(rf"(?i)<{_LOGIN_WORD}",),
    ),
    Rule(
        "password-spoken",
        "password",
        rf"(?i)\b{_LOGIN_WORD}(?:'s|(?: (?:for|to|of|on|at|in) [^\n.:;]{{1,50}}?)?"
        r" (?:(?:is|was|has been|will be|should be|gets|got)? ?(?:changed|reset|set|updated|rotated) to|(?:should|will|would) be|is now|is|was|to|are|as|=))"
        r"(?: (?:now|currently|set to|just|still|simply))?:?[ ]+(?P<v>\\?[\"'`]?[^\s\"'`]{4,64})",
        _spoken,
        triggers=(_WAKING,),
    ),
    Rule(
        "password-beside-its-word",
        "password",
        rf"(?i)\b{_LOGIN_WORD} [\"'`(]?(?P<v>[^\s\"'`<>()=:,]{{6,64}})",
        _beside,
        triggers=(_WAKING,),
    ),
    Rule(
        "password-for-login",
        "password",
        r"(?i)\b(?:log ?in|sign ?in|authenticate|connect|credentials?(?: are)?|user(?:name)?|login)\b[^\n]{0,60}?(?:/|\bwith\b|\busing\b|\band\b)[ ]?(?:the )?"
        r"(?:pass(?:word|phrase|code)?|pwd|pw)[ :=]{1,3}(?P<v>[\"'`]?[^\s\"'`]{4,64})",
        _spoken,
        triggers=(r"(?i)\bpass(?:word|phrase|code)?[ :=]|\b(?:pwd|pw)[ :=]",),
    ),
    Rule(
        "password-after-its-user",
        "password",
        r"(?i)\b(?:credentials?|creds|log ?in|user/pass(?:word)?|username/password|root login)(?: (?:is|are|with|as|for [a-z0-9 ]{1,30}))?[ :=]{1,3}[A-Za-z0-9._@\-]{2,40} ?[/:|] ?(?P<v>[^\s\"'`/<>]{4,64})",
        _given_briefly,
    ),
    Rule(
        "password-on-a-command-line",
        "password",
        r"(?i)(?:\b(?:mysql(?:dump|admin)?|mariadb)\b[^\n|;]{0,100}? (?-i:-p)[\"']?|\bsshpass -p ?[\"']?|--(?:password|passwd|pass|pwd)[ =][\"']?"
        r"|\bcurl\b[^\n|;]{0,100}? (?:-u|--user) [\"']?[^\s:\"']{1,60}:)(?P<v>[^\s\"'`<>]{4,64})",
        _typed,
    ),
)
