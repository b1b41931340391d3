"""Credentials known by the words around them: passwords, tokens, named secrets, URLs and connection strings."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.secrecy import entropy, is_code, is_placeholder, is_uuid, looks_random
from mas.dlp.words import listed

_LOGIN_WORD = r"(?:pass ?words?|passwd|passwort|passphrase|pass[_ -]?code|pwd|contrasena|mot de passe|kennwort|passw|pw)"
_HIDDEN_NAME = (
    r"(?:client|app|application|consumer|webhook|signing|shared|oauth2?|jwt|session|cookie|encryption|master|hmac|django|flask|rails)?[_\- .]?secret(?:[_\- .]?(?:key|token|base|value))?"
    r"|(?:access|account|encryption|signing|master|storage|service|private|subscription|license|deploy|hmac|auth|registration|admin|root)[_\- .]?keys?(?:[_\- .]?base)?"
    r"|(?:access|auth|refresh|id|api|bearer|session|oauth2?|private|personal access|personal|bot|user|service|deploy|security|x-auth|vault|registry|github|gitlab|npm|slack|csrf)[_\- .]?token"
    r"|authtoken|credentials?|token"
)
_API_KEY = r"(?:x[_\-])?api[_\- .]?(?:secret[_\- .]?)?key(?:[_\- .]?(?:id|secret))?|apikey|app[_\- .]?key|[a-z]{2,20}[_\-]api[_\-]?(?:key|token)"
_GIVEN = r"[\"'`\\]{0,4}[ \t]{0,3}(?:=>|:=|==|=|:|->)[\s\x1f]{0,3}"
_VALUE = r"(?:\\?[\"'`](?P<v>[^\"'`\n\x1e]{4,200}?)\\?[\"'`]|"
_PROSE = listed(
    "is was are the a an to for of in on at by as be or and if with from your my our their his her its this that it not no "
    "incorrect wrong invalid expired weak strong required protected reset changed updated correct secure unsafe stored saved "
    "sent being never always only must should can cannot will may has have had needed empty blank missing too same different "
    "case sensitive visible hidden shown policy manager field hash hashing hashed encrypted rotation rules requirements please see "
    "use enter provide type below above here there policy unknown set compromised leaked okay ok fine good bad safe longer shorter "
    "accepted rejected denied valid verified optional mandatory default temporary new old ask contact check forgot none about after "
    "until when where which who how why what again soon now later today tomorrow simple easy hard long short also still yet "
    "available unavailable disabled enabled managed provided generated kept part via through between under over recovery"
)
_WORDS_ONLY = compiled(r"^[A-Za-z]+[.,;:!?]?$")
_SCHEMES = (
    r"postgres(?:ql)?|postgis|mysql|mariadb|mongodb|mongo|rediss?|valkeys?|amqps?|rabbitmq|mssql|sqlserver|oracle|cockroachdb|clickhouse|cassandra"
    r"|couchbases?|couchdb|neo4j|bolt|influxdb|elasticsearch|es|kafka|nats|mqtts?|ldaps?|ftps?|sftp|ssh|smtps?|imaps?|pop3s?|smb|snowflake|redshift"
    r"|trino|presto|hive|db2|firebird|sqlite|memcached|jdbc|odbc|http|https|wss?|git|svn|socks[45]h?|s3|vnc|rdp|telnet|tcp|etcd|zookeeper|consul|vault|dav|davs|ws"
)


def _given_password(candidate: Candidate) -> float:
    value = candidate.value.rstrip(".,;")
    if len(value) < 4 or is_placeholder(value) or is_code(value):
        return 0
    if "==" in candidate.text[candidate.match_start : candidate.start] and candidate.after(1) not in {
        "'",
        '"',
    }:
        return 0
    bare = value.lower()
    if bare in _PROSE or ("(" in value and value.endswith(")")):
        return 0
    if _WORDS_ONLY.search(value):
        assigned = candidate.text[candidate.match_start : candidate.start]
        if candidate.after(1) == " " and candidate.after(3)[1:].strip().isalpha() and "=" not in assigned:
            return 0
        return 0.75
    return 0.95


def _field_password(candidate: Candidate) -> float:
    value = candidate.value
    if is_placeholder(value) or is_code(value) or value.lower() in _PROSE:
        return 0
    words = value.lower().split()
    if len(words) > 2 and sum(word.strip(".,;:") in _PROSE for word in words) >= 2:
        return 0
    return 0.95


def _spoken_password(candidate: Candidate) -> float:
    value = candidate.value.rstrip(".,;!?")
    if len(value) < 4 or is_placeholder(value) or is_code(value) or value.lower() in _PROSE:
        return 0
    odd = any(not c.isalpha() for c in value.strip("\"'`"))
    if odd and not _ORDINARY.search(value):
        return 0.9
    mixed = value[1:] != value[1:].lower() and not value.isupper()
    return 0.8 if mixed or candidate.text[candidate.start - 1] in "\"'`" else 0


_ORDINARY = compiled(
    r"(?i)^\d{1,3}$|^[a-z]+'[a-z]{1,2}$|^[a-z]+-(?:protected|sensitive|based|only|related|less|free|[a-z]+ed)$|^(?:https?|www)|^\d+[-+]?(?:characters?|chars|days|minutes)?$|^[a-z]+[/-][a-z]+$"
)


def _named_secret(candidate: Candidate) -> float:
    value = candidate.value
    if is_placeholder(value) or is_code(value) or len(value) < 8 or " " in value.strip():
        return 0
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    if _PUBLIC.search(candidate.before(len(phrase) + 16)):
        return 0
    generic = phrase.lstrip("\"' _-").startswith("token")
    if generic and (len(value) < 16 or is_uuid(value)):
        return 0
    if is_uuid(value):
        return 0.7
    if looks_random(value, 2.8 if len(value) < 16 else 3.0):
        return 0.9
    return (
        0.6
        if "secret" in phrase and (not value.isalpha() or entropy(value) > 3.2) and len(value) >= 10
        else 0
    )


_PUBLIC = compiled(
    r"(?i)public|publishable|idempotency|(?:next|page|continuation|sync|cursor)[_\- .]?(?:page)?[_\- .]?token|cache|primary|foreign|partition|sort[_ ]?key|hash|fingerprint|max[_ ]?tokens?|design|csrf|key[_ ]?id|secret[_ ]?(?:name|id|arn|ref)"
)


def _bearer(candidate: Candidate) -> float:
    value = candidate.value
    if is_placeholder(value) or is_code(value):
        return 0
    explicit = "authorization" in candidate.text[max(0, candidate.match_start - 24) : candidate.start].lower()
    mixed = any(c.isdigit() for c in value) or (value.lower() != value and value.upper() != value)
    return (
        0.9
        if (len(value) >= 16 and mixed and entropy(value) > 2.8) or (explicit and mixed and len(value) >= 8)
        else 0
    )


def _credential_url(candidate: Candidate) -> float:
    text = candidate.value
    _, _, rest = text.partition("://")
    authority = rest.partition("/")[0] if rest.partition("/")[0].count("@") else rest
    user_info, _, _ = authority.rpartition("@")
    _, colon, password = user_info.partition(":")
    if not colon:
        password = ""
    if not password or is_placeholder_password(password):
        return 0
    return 0.95


def is_placeholder_password(password: str) -> bool:
    """Say whether the password of a URL only marks its place; a weak one such as `pass` is still one."""
    return bool(_URL_PLACEHOLDER.search(password)) or (len(set(password)) < 2 and len(password) > 1)


_URL_PLACEHOLDER = compiled(
    r"(?i)^[<\[{(]|[>\]})]$|\$\{|^\$[A-Za-z_(]|\{\{|%\(|%s|\*{3}|^x{3,}$|^\.{3}|^your[-_]|redacted|^:?$|^changeme$|placeholder"
)


def _in_query(candidate: Candidate) -> float:
    return (
        0
        if is_placeholder_password(candidate.text[candidate.start : candidate.end].rpartition("=")[2])
        else 0.9
    )


def _connection_string(candidate: Candidate) -> float:
    password = _PART.search(candidate.value)
    return 0.92 if password and not is_placeholder_password(password.group(1)) else 0


_PART = compiled(r"(?i)(?:password|pwd) ?= ?([^;\"']{1,100})")

CREDENTIALS: tuple[Rule, ...] = (
    Rule(
        "credential-url",
        "db_url",
        rf"(?i)\b(?P<v>(?:jdbc:)?(?:{_SCHEMES})(?:\+[a-z0-9_]{{2,20}})?://[^\s:@/\"'<>]{{0,120}}:[^\s\"'<>/@]{{0,200}}(?:@[^\s\"'<>/@]{{0,60}}){{0,2}}@[^\s\"'<>@,;)]{{1,300}})",
        _credential_url,
        triggers=(r"://[^\s:@/\"'<>]{0,120}:[^\s\"'<>@]{1,200}@", r"://[^\s:@/\"'<>]{0,120}:<"),
    ),
    Rule(
        "credential-url-with-slash",
        "db_url",
        r"(?i)\b(?P<v>(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?)(?:\+[a-z0-9_]{2,20})?://[^\s:@/\"'<>]{0,120}:[^\s\"'<>@:]{1,200}@[a-z0-9][^\s\"'<>@,;)]{1,300})",
        _credential_url,
        triggers=(r"://[^\s:@/\"'<>]{0,120}:[^\s\"'<>@]{1,200}@",),
    ),
    Rule(
        "credential-url-query",
        "db_url",
        r"(?i)\b(?P<v>(?:jdbc:[a-z0-9:]{2,30}:|[a-z0-9+]{2,20}:)//[^\s\"'<>]{1,200}[?&;](?:password|pwd|passwd)=[^\s\"'<>&;]{1,100})",
        _in_query,
        triggers=(r"(?i)[?&;](?:password|pwd|passwd)=",),
    ),
    Rule(
        "connection-string",
        "db_url",
        r"(?i)\b(?P<v>(?:server|data source|host|addr|address|network address|driver|dsn|endpoint|provider|initial catalog|database|user id|uid|dbname) ?= ?[^;\n\"']{1,120}[; ]"
        r"(?:[ ]?[a-z][a-z _]{1,30} ?= ?[^;\n\"']{0,120}[; ]){0,8}? ?(?:password|pwd) ?= ?[^;\s\"']{1,100}(?:;[^\n\"']{0,200})?)",
        _connection_string,
        triggers=(r"(?i)(?:[; ]|^|\")(?:password|pwd) ?= ?[^;\s]",),
    ),
    Rule(
        "password-given",
        "password",
        rf"(?i)(?:\b|_|[a-z])(?:{_LOGIN_WORD}){_GIVEN}{_VALUE}(?P<u>[^\s\"'`<>,;]{{4,128}}|<[^>\s]{{1,60}}>))",
        _given_password,
        triggers=(rf"(?i){_LOGIN_WORD}[\"'`\\]{{0,4}}[ \t]{{0,3}}(?:=|:|->)",),
    ),
    Rule(
        "password-field",
        "password",
        rf"(?i)(?:^|[ _]){_LOGIN_WORD}(?: (?:hint|value|text|plain|plaintext|current|new|old))?:\x1f(?P<v>[^\x1e]{{4,256}})$",
        _field_password,
        triggers=(rf"(?i){_LOGIN_WORD}[\"'`\\]{{0,4}}[ \t]{{0,3}}(?:=|:|->)",),
    ),
    Rule(
        "password-spoken",
        "password",
        rf"(?i)\b{_LOGIN_WORD}(?: (?:for|to|of|on|at|in) [^\n.:;]{{1,50}}?)? (?:(?:is|was|has been|will be|should be|gets|got)? ?(?:changed|reset|set|updated|rotated) to|(?:should|will|would) be|is now|is|was|to|are|as|=)(?: (?:now|currently|set to|just|still|simply))?:?[ ]+(?P<v>\\?[\"'`]?[^\s\"'`]{{4,64}})",
        _spoken_password,
        triggers=(
            r"(?i)pass ?word|passwd|passphrase|pass ?code|passwort|kennwort|contrase|mot de passe|\bpwd\b|\bpw\b",
        ),
    ),
    Rule(
        "password-for-login",
        "password",
        r"(?i)\b(?:log ?in|sign ?in|authenticate|connect|credentials?(?: are)?|user(?:name)?|login)\b[^\n]{0,60}?(?:/|\bwith\b|\busing\b|\band\b)[ ]?(?:the )?(?:pass(?:word|phrase|code)?|pwd|pw)[ :=]{1,3}(?P<v>[\"'`]?[^\s\"'`]{4,64})",
        _spoken_password,
        triggers=(r"(?i)\bpass(?:word|phrase|code)?[ :=]|\b(?:pwd|pw)[ :=]",),
    ),
    Rule(
        "basic-or-bearer",
        "bearer_token",
        r"(?i)\b(?:bearer|authorization[\"'\\]{0,3} ?[:=] ?[\"'\\]{0,3}(?:basic|token|apikey|api-key|bearer))[ :=]{1,3}[\"'\\]{0,3}(?P<v>[A-Za-z0-9._~+/\-]{8,900}={0,3})",
        _bearer,
        triggers=(
            r"(?i)bearer[ :=]{1,3}[\"'\\]{0,3}[A-Za-z0-9._~+/-]{8}",
            r"(?i)authorization[\"'\\]{0,3} ?[:=]",
        ),
    ),
    Rule(
        "named-api-key",
        "api_key",
        rf"(?i)(?:\b|_)(?:{_API_KEY})(?:{_GIVEN}| (?:is|was) ){_VALUE}(?P<u>[A-Za-z0-9+/=_.~\-]{{8,300}}))",
        _named_secret,
        triggers=(
            r"(?i)(?:api[_\- .]?(?:secret[_\- .]?)?(?:key|token)|app[_\- .]?key)[^\n]{0,14}(?:[:=>]|\bis |\bwas )",
        ),
    ),
    Rule(
        "named-secret",
        "secret",
        rf"(?i)(?:\b|_)(?:{_HIDDEN_NAME})(?:{_GIVEN}| (?:is|was) ){_VALUE}(?P<u>[A-Za-z0-9+/=_.~!@#$%^&*\-]{{8,300}}))",
        _named_secret,
        triggers=(
            r"(?i)(?:secret|token|credential|[a-z][_\- .]?key)[a-z_]{0,8}(?:[\"'`\\]{0,4}[ \t]{0,3}(?:[:=]|->)| is | was )[\s\"'`\\]{0,5}[^\s\"'`]{8}",
        ),
    ),
)
