"""The names of branches, tags and commits that may stand in a git command."""

LONGEST = 255
# What git takes in no name, and what a shell would make something of, although none ever sees it.
_NEVER = frozenset(" ~^:?*[]{}\\$`;|&<>\"'")


def is_ref(text: str) -> bool:
    """Is this the name of a branch, tag or commit? Letters of any language are; options, ranges and patterns are not."""
    if not 0 < len(text) <= LONGEST or not text.isprintable() or _NEVER & set(text) or text[0] in "-+" or text == "@":
        return False
    return ".." not in text and not text.endswith(".") and not any(_hides(part) for part in text.split("/"))


def _hides(part: str) -> bool:
    return not part or part.startswith(".") or part.endswith(".lock")
