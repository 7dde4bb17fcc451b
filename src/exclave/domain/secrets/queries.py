"""Every SELECT on the secrets of an app config, limited to what the actor may see."""

from sqlalchemy import Select, select

from exclave.domain.apps.models import AppSecretConfig, AppSecretsConfig
from exclave.kit.context import Actor


def synced(actor: Actor, app_config_id: str) -> Select[AppSecretConfig]:
    """The secrets of an app config that go into the cluster, by name."""
    return (
        select(AppSecretConfig)
        .join(AppSecretsConfig, AppSecretsConfig.id == AppSecretConfig.app_secrets_config_id)
        .where(
            AppSecretConfig.org_id == actor.org_id,
            AppSecretsConfig.app_config_id == app_config_id,
            AppSecretConfig.kubernetes_sync,
            AppSecretConfig.deleted_at == 0,
            AppSecretsConfig.deleted_at == 0,
        )
        .order_by(AppSecretConfig.name)
    )
