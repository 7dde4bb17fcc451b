"""How shapes are written, and the few that every tag uses.

Zero values are left out (`omitzero`): a default is not written. What must always be there has a `default_factory`, which
msgspec writes even when it gives the zero value; a list or map of type `… | None` is left out when None and written when
empty. Names are the documented ones: the original writes the Go name for some (`Refs`); its Go clients read without regard
to case, all others need the documented `refs`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, field


class Shape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an answer holds."""


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a request sends. Unknown keys are ignored, as the original does; `null` stands for an absent list or map."""


def word(values: Any) -> Meta:
    """Describe a text that takes one of the contract's words. Answers carry plain text: the database already holds only these."""
    return Meta(extra_json_schema={"enum": list(get_args(values))})


JSONObject = Annotated[Any, Meta(extra_json_schema={"type": "object", "additionalProperties": {}})]
"""Somebody else's JSON object, passed through byte for byte when given as `msgspec.Raw`."""

Binary = Annotated[str, Meta(extra_json_schema={"format": "binary"})]
"""A file, in documents."""

JSONMap = dict[str, Any]
PermissionSet = dict[str, str]
StringBoolMap = dict[str, bool]

Status = Literal[
    "error", "pending", "in-progress", "checking-plan", "success", "not-attempted", "cancelled", "retrying", "discarded",
    "user-skipped", "auto-skipped", "planning", "applying", "queued", "generating", "awaiting-user-run", "provisioning", "active",
    "outdated", "expired", "approved", "drifted", "no-drift", "approval-expired", "approval-denied", "approval-retry", "building",
    "deleting", "noop", "approval-awaiting",
]  # fmt: skip


class CompositeStatus(Shape):
    """A status with who set it, when (Unix seconds), why, and what it was before (at most 50, each without its own history)."""

    created_by_id: str = ""
    created_at_ts: int = 0
    status: Annotated[str, word(Status)] = ""
    status_human_description: str = ""
    metadata: JSONObject = field(default_factory=dict)
    history: list[CompositeStatus] = field(default_factory=list)


RefType = Literal["sandbox", "install_stack", "component", "inputs", "install_inputs", "secrets", "actions"]


class Ref(Shape):
    """A template variable that a config uses: its type, the name of what gives it, the path below, and the text as written."""

    type: Annotated[str, word(RefType)] = field(default_factory=str)
    name: str = field(default_factory=str)
    value: str = field(default_factory=str)
    input: str = field(default_factory=str)


class ErrResponse(Shape):
    """The error body: a short message, whether the caller can mend it, and the sentence to read."""

    error: str = ""
    user_error: bool = False
    description: str = ""
