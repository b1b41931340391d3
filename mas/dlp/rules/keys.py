"""Keys with a form of their own: clouds, vendors, PEM frames, web tokens."""

# ruff: noqa: E501 - a pattern is read in one line

import base64
import json

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Confirm, Rule, compiled
from mas.dlp.secrecy import entropy, is_placeholder, looks_random

# Name, shape, the least entropy in bits a character of what follows the prefix.
_VENDORS: tuple[tuple[str, str, float], ...] = (
    ("github", r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})", 3.0),
    ("gitlab", r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_\-.]{16,300}", 3.0),
    ("slack", r"xox[abeoprs]-(?:[A-Za-z0-9]{1,15}-){0,5}[A-Za-z0-9]{8,150}|xapp-\d-[A-Z0-9]{5,15}-\d{5,15}-[a-f0-9]{20,80}", 2.8),
    ("slack-webhook", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,80}", 3.0),
    ("discord-webhook", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_\-]{50,80}", 3.0),
    ("stripe", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{20,80}", 3.0),
    ("anthropic", r"sk-ant-(?:[a-z]{2,6}\d{2}-)?[A-Za-z0-9_\-]{16,200}", 3.2),
    ("openai", r"sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_\-]{20,250}", 3.2),
    ("google", r"AIza[A-Za-z0-9_\-]{30,45}|GOCSPX-[A-Za-z0-9_\-]{20,40}|ya29\.[A-Za-z0-9_\-]{20,250}|1//0[A-Za-z0-9_\-]{30,120}", 3.2),
    ("sendgrid", r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{30,60}", 3.2),
    ("twilio", r"(?:SK|AC)[0-9a-f]{32}", 2.8),
    ("npm", r"npm_[A-Za-z0-9]{30,50}", 3.0),
    ("pypi", r"pypi-[A-Za-z0-9_\-]{30,300}", 3.0),
    ("rubygems", r"rubygems_[a-f0-9]{40,60}", 2.8),
    ("hugging-face", r"(?:hf_|api_org_)[A-Za-z0-9]{28,50}", 3.0),
    ("replicate", r"r8_[A-Za-z0-9]{30,45}", 3.0),
    ("groq", r"gsk_[A-Za-z0-9]{40,60}", 3.0),
    ("xai", r"xai-[A-Za-z0-9]{60,100}", 3.0),
    ("perplexity", r"pplx-[A-Za-z0-9]{40,60}", 3.0),
    ("mailgun", r"key-[0-9a-f]{32}", 2.8),
    ("mailchimp", r"[0-9a-f]{32}-us\d{1,2}", 2.8),
    ("digitalocean", r"do[opr]_v1_[a-f0-9]{40,70}", 2.8),
    ("shopify", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{28,40}", 2.8),
    ("square", r"sq0[a-z]{3}-[A-Za-z0-9_\-]{20,50}|EAAA[A-Za-z0-9_\-]{56,64}", 3.0),
    ("databricks", r"dapi[a-f0-9]{32}(?:-\d)?", 2.8),
    ("hashicorp-vault", r"hv[sbr]\.[A-Za-z0-9_\-]{20,300}", 3.0),
    ("terraform", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-]{50,80}", 3.0),
    ("doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.\-]{30,60}", 3.0),
    ("linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,70}", 3.0),
    ("notion", r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,50})", 3.0),
    ("airtable", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}", 3.0),
    ("atlassian", r"ATATT3[A-Za-z0-9_\-=]{50,250}", 3.0),
    ("asana", r"\d/\d{15,17}:[a-f0-9]{32}", 2.8),
    ("figma", r"figd_[A-Za-z0-9_\-]{30,60}", 3.0),
    ("new-relic", r"NRAK-[A-Z0-9]{27}|NRJS-[a-f0-9]{19}", 2.8),
    ("grafana", r"gl(?:sa|c)_[A-Za-z0-9_=]{30,200}", 3.0),
    ("sentry", r"sntr[yu]s?_[A-Za-z0-9+/=_]{30,200}", 3.0),
    ("docker-hub", r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,50}", 3.0),
    ("postman", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", 2.8),
    ("planetscale", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_\-.=]{30,70}", 3.0),
    ("telegram", r"\d{8,10}:AA[A-Za-z0-9_\-]{32,35}", 3.0),
    ("facebook", r"EAA[A-Za-z0-9]{80,250}", 3.0),
    ("dropbox", r"sl\.[A-Za-z0-9_\-]{100,250}", 3.0),
    ("brevo", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}", 3.0),
    ("azure-storage", r"(?i)AccountKey=[A-Za-z0-9+/]{60,90}={0,2}", 3.5),
    ("azure-shared-access", r"(?i)SharedAccess(?:Key|Signature)=[A-Za-z0-9+/%]{30,90}={0,2}|[?&]sig=[A-Za-z0-9%+/]{40,70}(?:%3D|=)", 3.5),
    ("azure-client-secret", r"[A-Za-z0-9_\-.~]{3}\dQ~[A-Za-z0-9_\-.~]{31,34}", 3.2),
    ("azure-devops", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", 3.2),
    ("age", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 3.0),
    ("supabase", r"sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_\-]{20,60}", 2.8),
)  # fmt: skip
_LONGEST_FRAME = 16_384
_BODY = compiled(r"[A-Za-z0-9+/=\s\\:,.-]*")
_PEM_KIND = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?"


def _vendor(least: float) -> Confirm:
    def confirm(candidate: Candidate) -> float:
        value = candidate.value
        if _glued(candidate) or entropy(value) < least or is_placeholder(value):
            return 0
        return 0.97 if any(c.isdigit() for c in value) or not value.islower() else 0

    return confirm


def _openai(candidate: Candidate) -> float:
    """Tell `sk-` keys from hyphenated words: a class name in a page, a slug."""
    value = candidate.value
    words = value.removeprefix("sk-").split("-")
    longest = max(map(len, words))
    return (
        _vendor(3.2)(candidate) if longest >= 16 and any(c.isupper() or c.isdigit() for c in value[3:]) else 0
    )


def _glued(candidate: Candidate) -> bool:
    """Whether the match starts in the middle of a longer word."""
    return candidate.start > 0 and (
        candidate.text[candidate.start - 1].isalnum() and candidate.value[0].isalnum()
    )


def _aws_id(candidate: Candidate) -> float:
    left = candidate.before(1)
    return 0 if left.isalnum() or left in {"/", "+", "_"} or len(set(candidate.value[4:])) < 5 else 0.97


def _aws_secret(candidate: Candidate) -> float:
    value = candidate.value
    mixed = any(c.isupper() for c in value) and any(c.islower() for c in value)
    return 0.95 if mixed and entropy(value) >= 3.5 and "xxxx" not in value.lower() else 0


def _web_token(candidate: Candidate) -> float:
    parts = candidate.value.split(".")
    if len(parts) == 3 and parts[1].startswith(("eyJ", "e30")) and len(parts[0]) >= 12:
        return 0.97
    try:
        header = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except ValueError:
        return 0
    return 0.97 if isinstance(header, dict) and "alg" in header else 0


def _whole_frame(candidate: Candidate) -> Candidate:
    """Extend the match of a PEM header over its body and its last line."""
    text, start = candidate.text, candidate.end
    end = text.find("-----END ", start, start + _LONGEST_FRAME)
    if end >= 0:
        return candidate.spanning(
            candidate.start, min(len(text), text.find("-----", end + 9, end + 80) + 5 or end + 9)
        )
    body = _BODY.match(text, start, min(len(text), start + _LONGEST_FRAME))
    return candidate.spanning(candidate.start, body.end() if body else start)


def _frame(candidate: Candidate) -> float:
    """Tell a key from documentation that shows dots or a remark in its place."""
    body = candidate.value.partition("-----BEGIN ")[2].partition("-----")[2].partition("-----")[0].strip()
    shown = body and len(body) < 60 and ("..." in body or "<" in body or "your" in body.lower())
    return 0 if shown else 0.99


def _near_its_type(candidate: Candidate) -> bool:
    """Whether the value is a field of its own, or stands in the text of a JSON Web Key."""
    around = candidate.before(2000) + candidate.after(2000)
    return candidate.text[candidate.start - 1] == "\x1f" or '"kty"' in around


def _vendor_rule(name: str, shape: str, least: float) -> Rule:
    flags, plain = ("(?i)", shape.removeprefix("(?i)")) if shape.startswith("(?i)") else ("", shape)
    confirm = _openai if name == "openai" else _vendor(least)
    return Rule(f"key-{name}", "api_key", f"{flags}(?P<v>{plain})", confirm)


KEYS: tuple[Rule, ...] = (
    *(_vendor_rule(*row) for row in _VENDORS),
    Rule(
        "aws-access-key-id",
        "aws_key",
        r"(?P<v>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b",
        _aws_id,
    ),
    Rule(
        "aws-secret",
        "aws_key",
        r"(?i)(?:aws|amazon)?[_ .\-]?(?:secret[_ .\-]?access[_ .\-]?key|aws[_ .\-]?secret(?:[_ .\-]?key)?|secretaccesskey)[^A-Za-z0-9/+\n]{1,12}(?:is |of )?[\"'\\]{0,3}(?P<v>[A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        _aws_secret,
    ),
    Rule(
        "aws-session-token",
        "aws_key",
        r"(?i)(?:session[_ .\-]?token|x-amz-security-token)[^A-Za-z0-9/+\n]{1,12}(?P<v>(?:FwoG|IQoJ|FQoG|AQoD)[A-Za-z0-9/+=]{80,1000})",
        lambda _: 0.95,
    ),
    Rule(
        "aws-secret-beside-its-id",
        "aws_key",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9/+]{1,8}(?:[a-z ]{0,12}secret[a-z ]{0,12}[^A-Za-z0-9/+]{1,6})?(?P<v>[A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        _aws_secret,
    ),
    Rule(
        "private-key-frame",
        "private_key",
        rf"-----BEGIN {_PEM_KIND}-----",
        _frame,
        triggers=(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY",),
        fit=_whole_frame,
    ),
    Rule(
        "private-key-other",
        "private_key",
        r"(?P<v>PuTTY-User-Key-File-\d: [^\n]{3,60}|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/=\s]{20,900})",
        lambda _: 0.97,
    ),
    Rule(
        "private-key-web",
        "private_key",
        r"(?:\"d\" ?: ?\"|(?:^|[ _])d:\x1f)(?P<v>[A-Za-z0-9_\-]{40,})",
        lambda candidate: 0.9 if looks_random(candidate.value, 3.5) and _near_its_type(candidate) else 0,
        triggers=(r"\"d\" ?: ?\"[A-Za-z0-9_\-]{40}", r"(?:^|[ _])d:\x1f[A-Za-z0-9_\-]{40}"),
    ),
    Rule(
        "web-token",
        "jwt",
        r"(?P<v>eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]+){0,2})",
        _web_token,
        triggers=(r"eyJ[A-Za-z0-9_\-]{6}",),
    ),
)
