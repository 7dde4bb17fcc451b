"""What an org is born with (spec domain.md 4.1, 5.6)."""

from collections.abc import Mapping
from typing import Any

from exclave.kit import errors

_ON = (
    "api-pagination",
    "org-runner",
    "org-settings",
    "org-support",
    "install-delete-components",
    "install-delete",
    "terraform-workspace",
    "dev-command",
    "app-branches",
    "stratus-layout",
    "stratus-workflow",
    "dashboard-sse",
)
_OFF = ("org-dashboard", "install-break-glass", "terraform-installer")

EMAIL_LIMIT = 320  # of a mailbox and its host (RFC 5321)
ADMIN = "org_admin"
ROLES = {ADMIN: "org_admin", "installer": "installer", "runner": "admin"}  # role type -> name of its policy


def default_features() -> dict[str, bool]:
    """Return the feature flags of a new org."""
    return dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)


def shown_features(stored: Mapping[str, Any]) -> dict[str, bool]:
    """Return the flags as an answer shows them: every known one, no other."""
    return {name: bool(stored.get(name, False)) for name in (*_ON, *_OFF)}


def checked_name(name: str) -> str:
    """Return a name that an org may have, or raise."""
    if not name.strip():
        raise errors.Invalid("name: an org needs a name")
    if len(name) > 200:
        raise errors.Invalid("name: an org's name has at most 200 characters")
    return name


def checked_email(email: str) -> str:
    """Return an e-mail address that an invite may carry, or raise."""
    local, at, host = email.strip().partition("@")
    if len(email) > EMAIL_LIMIT:
        raise errors.Invalid(f"email: an e-mail address has at most {EMAIL_LIMIT} characters, this one has {len(email)}")
    if not (local and at and host) or " " in email.strip() or "@" in host:
        raise errors.Invalid(f"email: {email!r} is not an e-mail address")
    return email.strip()
