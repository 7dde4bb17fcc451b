"""The public API as typed calls, for the command line and tests. Nouns are added here as commands need them.

A call is one line: `await api.http.get("/v1/installs/…", wire.Install)`. Lists come page by page from `pages`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from exclave import __version__
from exclave.client.http import PATIENCE, Http

T = TypeVar("T")


class PublicApi:
    """Calls of one account in one org."""

    def __init__(self, base_url: str, *, token: str | Callable[[], str], org_id: str = "", patience: float = PATIENCE) -> None:
        headers = {"X-Nuon-Client-Version": f"exclave:{__version__}"}
        if org_id:
            headers["X-Nuon-Org-ID"] = org_id
        self.http = Http(base_url, token=token, headers=headers, patience=patience)

    async def __aenter__(self) -> "PublicApi":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def pages(self, path: str, item: type[T], *, params: Mapping[str, Any] = {}, size: int = 50) -> AsyncIterator[T]:
        """Yield every item of a list, asking for the next page only when the last one is used up."""
        offset = 0
        while True:
            answer = await self.http.request("GET", path, params={**params, "limit": size, "offset": offset})
            found = self.http.decoded(answer, list[item])  # type: ignore[valid-type]
            for one in found:
                yield one
            if answer.headers.get("x-nuon-page-next", "").lower() != "true" or not found:
                return
            offset += len(found)
