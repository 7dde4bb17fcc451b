"""Every problem that a reader can cause or meet, as one tree. `api/errors.py` turns it into the error body of the wire.

The docstring of a class is its short message, the argument is the description: it names the thing, the place and the way out.
"""

from typing import Any


class Problem(Exception):
    """Something went wrong."""

    status = 500
    code = "internal"

    def __init__(self, description: str = "", **details: Any) -> None:
        self.description = description or self.message
        self.details = details
        super().__init__(self.description)

    @property
    def message(self) -> str:
        return (type(self).__doc__ or "problem").strip().splitlines()[0].rstrip(".")

    @property
    def user_error(self) -> bool:
        return self.status < 500


class Invalid(Problem):
    """The request is invalid."""

    status, code = 400, "invalid"


class Unauthenticated(Problem):
    """The request carries no valid token."""

    status, code = 401, "unauthenticated"


class Forbidden(Problem):
    """The caller may not do this."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """Not found."""

    status, code = 404, "not_found"


class MethodNotAllowed(Problem):
    """The path exists, but not with this method."""

    status, code = 405, "method_not_allowed"


class Conflict(Problem):
    """The state of things does not allow this now."""

    status, code = 409, "conflict"


class Stale(Conflict):
    """The execution is no longer the current one."""

    code = "stale_epoch"


class TooLarge(Problem):
    """The body is too large."""

    status, code = 413, "too_large"


class Mismatch(Problem):
    """The same idempotency key was used with another body."""

    status, code = 422, "idempotency_mismatch"


class Locked(Problem):
    """Somebody else holds the lock."""

    status, code = 423, "locked"


class TooMany(Problem):
    """Too many requests."""

    status, code = 429, "too_many"


class Planned(Problem):
    """This operation is planned, but not there yet."""

    status, code = 501, "planned"


class Unavailable(Problem):
    """The service cannot answer now."""

    status, code = 503, "unavailable"
