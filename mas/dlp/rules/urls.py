"""URLs and connection strings that carry their credentials."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled

_SCHEMES = (
    r"postgres(?:ql)?|postgis|mysql|mariadb|mongodb|mongo|rediss?|valkeys?|amqps?|rabbitmq|mssql|sqlserver|oracle|cockroachdb|clickhouse|cassandra"
    r"|couchbases?|couchdb|neo4j|bolt|influxdb|elasticsearch|es|kafka|nats|mqtts?|ldaps?|ftps?|sftp|ssh|smtps?|imaps?|pop3s?|smb|snowflake|redshift"
    r"|trino|presto|hive|db2|firebird|sqlite|memcached|jdbc|odbc|https?|wss?|git|svn|socks[45]h?|s3|vnc|rdp|telnet|tcp|etcd|zookeeper|consul|vault|davs?"
)
_PLACEHOLDER = compiled(
    r"(?i)^[<\[{(]|[>\]})]$|\$\{|^\$(?-i:[A-Z_]+|[a-z_]+)$|^\$\(|\{\{|%\(|^%s$|\*{3}|^x{3,}$|^\.{3}|^your[-_]|redacted|^changeme$|placeholder"
)
_PASSWORD_PART = compiled(r"(?i)(?:password|pwd) ?= ?([^;\"']{1,100})")


def _is_placeholder(password: str) -> bool:
    """Say whether the password only marks its place; a weak one such as `pass` is still one."""
    return bool(_PLACEHOLDER.search(password)) or (len(set(password)) < 2 and len(password) > 1)


def _credential_url(candidate: Candidate) -> float:
    rest = candidate.value.partition("://")[2]
    first = rest.partition("/")[0]
    user_info = (first if "@" in first else rest).rpartition("@")[0]
    password = user_info.partition(":")[2]
    return 0.95 if password and not _is_placeholder(password) else 0


def _query(candidate: Candidate) -> float:
    return 0 if _is_placeholder(candidate.value.rpartition("=")[2]) else 0.9


def _connection_string(candidate: Candidate) -> float:
    password = _PASSWORD_PART.search(candidate.value)
    return 0.92 if password and not _is_placeholder(password.group(1)) else 0


URLS: tuple[Rule, ...] = (
    Rule(
        "credential-url",
        "db_url",
        rf"(?i)\b(?P<v>(?:jdbc:)?(?:{_SCHEMES})(?:\+[a-z0-9_]{{2,20}})?://[^\s:/\"'<>]{{0,120}}:[^\s\"'<>/@]{{0,200}}(?:@[^\s\"'<>/@]{{0,60}}){{0,2}}@[^\s\"'<>@,;)]{{1,300}})",
        _credential_url,
        triggers=(r"://[^\s:/\"'<>]{0,120}:[^\s\"'<>@]{1,200}@",),
    ),
    Rule(
        "credential-url-with-slash",
        "db_url",
        r"(?i)\b(?P<v>(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?)(?:\+[a-z0-9_]{2,20})?://[^\s:/\"'<>]{0,120}:[^\s\"'<>@:]{1,200}@[a-z0-9][^\s\"'<>@,;)]{1,300})",
        _credential_url,
        triggers=(r"://[^\s:/\"'<>]{0,120}:[^\s\"'<>@]{1,200}@",),
    ),
    Rule(
        "credential-url-query",
        "db_url",
        r"(?i)\b(?P<v>(?:jdbc:[a-z0-9:]{2,30}:|[a-z0-9+]{2,20}:)//[^\s\"'<>]{1,200}[?&;](?:password|pwd|passwd)=[^\s\"'<>&;]{1,100})",
        _query,
        triggers=(r"(?i)[?&;](?:password|pwd|passwd)=",),
    ),
    Rule(
        "connection-string",
        "db_url",
        r"(?i)\b(?P<v>(?:server|data source|host|addr|address|network address|driver|dsn|endpoint|provider|initial catalog|database|user id|uid|dbname) ?= ?[^;\n\"']{1,120}[; ]"
        r"(?:[ ]?[a-z][a-z _]{1,30} ?= ?[^;\n\"']{0,120}[; ]){0,8}? ?(?:password|pwd) ?= ?[^;\s\"']{1,100}(?:;[^\n\"']{0,200})?)",
        _connection_string,
        triggers=(r"(?i)[; ](?:password|pwd) ?= ?[^;\s]",),
    ),
)
