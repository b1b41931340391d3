"""Secrets known by the name they are given: API keys, tokens, client secrets, Authorization headers."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.rules.passwords import GIVEN, VALUE
from mas.dlp.secrecy import entropy, is_code, is_placeholder, is_uuid, looks_random

_HIDDEN_NAME = (
    r"(?:client|app|application|consumer|webhook|signing|shared|oauth2?|jwt|session|cookie|encryption|master|hmac|django|flask|rails)?[_\- .]?secret(?:[_\- .]?(?:key|token|base|value))?"
    r"|(?:access|account|encryption|signing|master|storage|service|private|subscription|license|deploy|hmac|auth|registration|admin|root)[_\- .]?keys?(?:[_\- .]?base)?"
    r"|(?:access|auth|refresh|id|api|bearer|session|oauth2?|private|personal access|personal|bot|user|service|deploy|security|x-auth|vault|registry)[_\- .]?token"
    r"|authtoken|credentials?|token"
)
_API_KEY = r"(?:x[_\-])?api[_\- .]?(?:secret[_\- .]?)?key(?:[_\- .]?(?:id|secret))?|apikey|app[_\- .]?key|[a-z]{2,20}[_\-]api[_\-]?(?:key|token)|api[_\- .]?token"
_VENDOR = (
    r"(?:github|gitlab|bitbucket|slack|stripe|openai|anthropic|google|gcp|azure|sendgrid|twilio|npm|pypi|hugging ?face|hf|mailgun|mailchimp|datadog|dd|sentry|heroku"
    r"|cloudflare|digitalocean|telegram|discord|notion|linear|jira|atlassian|okta|auth0|algolia|shopify|paypal|square|plaid|firebase|mapbox|segment|mixpanel|pagerduty|new[_ -]?relic)"
)
_PUBLIC = compiled(
    r"(?i)public|publishable|idempotency|(?:next|page|continuation|sync|cursor)[_\- .]?(?:page)?[_\- .]?token|cache|primary|foreign|partition|sort[_ ]?key"
    r"|hash|fingerprint|max[_ ]?tokens?|design|csrf|key[_ ]?id|secret[_ ]?(?:name|id|arn|ref)"
)


def _named(candidate: Candidate) -> float:
    value = candidate.value
    if (
        len(value) < 8
        or is_placeholder(value)
        or is_code(value)
        or " " in value.strip()
        or candidate.after(1) == "("
    ):
        return 0
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    if _PUBLIC.search(candidate.before(len(phrase) + 16)):
        return 0
    bare = phrase.lstrip("\"' _-").startswith("token")
    if bare and (len(value) < 16 or is_uuid(value)):
        return 0
    if is_uuid(value):
        return 0.7
    if looks_random(value, 2.8 if len(value) < 16 else 3.0):
        return 0.9
    telling = "secret" in phrase and len(value) >= 10 and (not value.isalpha() or entropy(value) > 3.2)
    return 0.6 if telling else 0


def _mentioned(candidate: Candidate) -> float:
    value = candidate.value
    return 0.8 if not is_placeholder(value) and not is_code(value) and looks_random(value, 3.2) else 0


def _bearer(candidate: Candidate) -> float:
    value = candidate.value
    if is_placeholder(value) or is_code(value):
        return 0
    header = "authorization" in candidate.text[max(0, candidate.match_start - 24) : candidate.start].lower()
    mixed = any(c.isdigit() for c in value) or (value.lower() != value and value.upper() != value)
    long = len(value) >= 16 and entropy(value) > 2.8
    return 0.9 if mixed and (long or (header and len(value) >= 8)) else 0


TOKENS: tuple[Rule, ...] = (
    Rule(
        "basic-or-bearer",
        "bearer_token",
        r"(?i)\b(?:bearer|authorization[\"'\\]{0,3} ?[:=][ \x1f]?[\"'\\]{0,3}(?:basic|token|apikey|api-key|bearer))[ :=]{1,3}[\"'\\]{0,3}(?P<v>[A-Za-z0-9._~+/\-]{8,900}={0,3})",
        _bearer,
        triggers=(
            r"(?i)bearer[ :=]{1,3}[\"'\\]{0,3}[A-Za-z0-9._~+/-]{8}",
            r"(?i)authorization[\"'\\]{0,3} ?[:=]",
        ),
    ),
    Rule(
        "named-api-key",
        "api_key",
        rf"(?i)(?:\b|_)(?:{_API_KEY})(?:{GIVEN}| (?:is|was) ){VALUE}(?P<u>[A-Za-z0-9+/=_.~\-]{{8,300}}))",
        _named,
        triggers=(
            r"(?i)(?:api[_\- .]?(?:secret[_\- .]?)?(?:key|token)|app[_\- .]?key)[a-z_]{0,8}[\"'`\\]{0,4}[ \t]{0,3}(?:[:=]|->|is |was )",
        ),
    ),
    Rule(
        "vendor-named-key",
        "api_key",
        rf"(?i)(?:\b|_){_VENDOR}(?:[_\- ][a-z]{{2,12}}){{0,2}}[_\- ]?(?:api[_\- ]?)?(?:key|token|secret|pat)(?:{GIVEN}| (?:is|was) ){VALUE}(?P<u>[A-Za-z0-9+/=_.~\-]{{16,300}}))",
        _named,
        triggers=(
            rf"(?i){_VENDOR}[a-z_\- ]{{0,30}}(?:key|token|secret|pat)[\"'`\\]{{0,4}}[ \t]{{0,3}}(?:[:=]|->|is |was )",
        ),
    ),
    Rule(
        "mentioned-api-key",
        "api_key",
        r"(?i)\b(?:api|access|secret)[_\- ]?keys? [\"'`(]?(?P<v>[A-Za-z0-9+/=_\-]{16,200})",
        _mentioned,
    ),
    Rule(
        "named-secret",
        "secret",
        rf"(?i)(?:\b|_)(?:{_HIDDEN_NAME})(?:{GIVEN}| (?:is|was) ){VALUE}(?P<u>[A-Za-z0-9+/=_.~!@#$%^&*\-]{{8,300}}))",
        _named,
        triggers=(
            r"(?i)(?:secret|token|credential|[a-z][_\- .]?key)[a-z_]{0,8}(?:[\"'`\\]{0,4}[ \t]{0,3}(?:[:=]|->)| is | was )[\s\"'`\\]{0,5}[^\s\"'`]{8}",
        ),
    ),
)
