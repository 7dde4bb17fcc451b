"""Artifacts and uploaded sources. The bytes are in the blob store, by digest."""

from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exclave.kit.db import Tenant


class OCIArtifact(Tenant):
    """What a build produced, or what a deploy uses: one per owner."""

    __tablename__ = "oci_artifacts"
    prefix = "tfw"

    owner_id: Mapped[str] = mapped_column(String(26))
    owner_type: Mapped[str]  # component_builds | install_deploys | app_sandbox_configs
    tag: Mapped[str] = mapped_column(default="")
    repository: Mapped[str] = mapped_column(default="")
    media_type: Mapped[str] = mapped_column(default="")
    digest: Mapped[str] = mapped_column(default="", index=True)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    urls: Mapped[list[str]] = mapped_column(default=list)
    annotations: Mapped[dict[str, Any]] = mapped_column(default=dict)
    artifact_type: Mapped[str] = mapped_column(default="")
    os: Mapped[str] = mapped_column(default="")
    architecture: Mapped[str] = mapped_column(default="")
    variant: Mapped[str] = mapped_column(default="")
    os_version: Mapped[str] = mapped_column(default="")
    os_features: Mapped[list[str]] = mapped_column(default=list)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("owner_type", "owner_id", "deleted_at"),)


class Blob(Tenant):
    """An org's right to a blob: whoever put bytes there may read them back, nobody else can by guessing a digest."""

    __tablename__ = "blobs"
    prefix = "art"

    digest: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    kind: Mapped[str] = mapped_column(default="layer")  # source | manifest | layer | config

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("org_id", "digest"), Index("blobs_digest", "digest"))
