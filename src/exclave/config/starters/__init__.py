"""Small apps to start from, one for each platform. Each validates, and builds with nothing but Terraform."""

from __future__ import annotations

from pathlib import Path

PLATFORMS = ("local", "aws", "azure", "gcp")
_NAME = "starter-app"


def files(platform: str, name: str) -> dict[str, str]:
    """Give the files of a starter app, with the app's name put in; raises KeyError for an unknown platform."""
    if platform not in PLATFORMS:
        raise KeyError(platform)
    root = Path(__file__).parent / platform
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8").replace(_NAME, name) for path in found}
