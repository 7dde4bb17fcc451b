"""What orgs tell the slices above."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OrgCreated:
    """An org exists; it has no runner group for its builds yet."""

    org_id: str
