"""Read JSON that somebody else wrote."""

import contextlib
from collections.abc import Iterator

import msgspec

from exclave.kit import errors


@contextlib.contextmanager
def understood(otherwise: str = "invalid request format") -> Iterator[None]:
    """Raise `Invalid` with these words for whatever msgspec raises at a text: not all of it is an error of its own."""
    try:
        yield
    except msgspec.MsgspecError as error:
        raise errors.Invalid(f"{otherwise}: {error}") from error
    except UnicodeDecodeError as error:
        raise errors.Invalid(f"{otherwise}: it is not UTF-8 ({error.reason})") from error
    except RecursionError as error:
        raise errors.Invalid(f"{otherwise}: it nests too deep") from error
