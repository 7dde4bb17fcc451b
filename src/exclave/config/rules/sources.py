"""Where code comes from: a public repository, a connected one, or a directory of the app itself."""

from __future__ import annotations

from exclave.config.rules.base import Key, Section, table, text

_REPO = (
    text(
        "repo",
        "The repository: `owner/name` on GitHub, or an https address to clone.",
        required=True,
        check="repo",
        example='"acme/infrastructure"',
    ),
    text("directory", "The directory inside the repository; `.` is its root.", required=True, example='"."'),
    text("branch", "The branch (or tag) to build from.", required=True, example='"main"'),
)

PUBLIC_REPO = Section(name="public_repo", doc="A repository that anybody can read.", keys=_REPO)
CONNECTED_REPO = Section(name="connected_repo", doc="A repository that a VCS connection of the organisation can read.", keys=_REPO)
LOCAL = Section(
    name="local",
    doc="A directory of the app itself, for apps without git. An extension of Exclave: other servers do not know it.",
    keys=(
        text(
            "directory",
            "A path below the app directory. Absolute paths, `..` and links that lead out are refused.",
            required=True,
            check="path",
            example='"./sandbox"',
        ),
    ),
    since=2026,
)

PUBLIC_KEY = table("public_repo", "The code in a public repository.", PUBLIC_REPO)
CONNECTED_KEY = table("connected_repo", "The code in a connected repository.", CONNECTED_REPO)
LOCAL_KEY = table("local", "The code in a directory of this app (extension of Exclave).", LOCAL, since=2026)

REPOS: tuple[Key, ...] = (PUBLIC_KEY, CONNECTED_KEY)
SOURCES: tuple[Key, ...] = (PUBLIC_KEY, CONNECTED_KEY, LOCAL_KEY)
ONE_SOURCE = (("public_repo", "connected_repo", "local"),)

OPERATION_ROLE = Section(
    name="operation_roles",
    doc="Which IAM role runs an operation.",
    since=2026,
    keys=(
        text(
            "operation",
            "The operation.",
            required=True,
            allowed=("deploy", "teardown", "provision", "reprovision", "deprovision", "trigger"),
        ),
        text("role", "The role's full name, or its type.", required=True, template="deploy"),
    ),
)
SOURCE_FILE = text("source", "Another TOML file whose keys take precedence over those of this file.", example='"./shared.toml"')
