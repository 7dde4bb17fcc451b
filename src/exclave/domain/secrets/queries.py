"""Every SELECT on the secrets of an app config, limited to what the actor may see."""

from sqlalchemy import and_, bindparam, select

from exclave.domain.apps.models import AppSecretConfig, AppSecretsConfig
from exclave.domain.installs.models import Install
from exclave.kit.prepared import Prepared, in_org

# An install with each secret of its app config that goes into the cluster, by name; one row without a secret where there is none.
SYNCED: Prepared[tuple[Install, AppSecretConfig | None]] = Prepared(
    select(Install, AppSecretConfig)
    .select_from(Install)
    .outerjoin(AppSecretsConfig, and_(AppSecretsConfig.app_config_id == Install.app_config_id, AppSecretsConfig.deleted_at == 0))
    .outerjoin(
        AppSecretConfig,
        and_(
            AppSecretConfig.app_secrets_config_id == AppSecretsConfig.id,
            in_org(AppSecretConfig),
            AppSecretConfig.kubernetes_sync,
            AppSecretConfig.deleted_at == 0,
        ),
    )
    .where(Install.id == bindparam("install"), in_org(Install), Install.deleted_at == 0)
    .order_by(AppSecretConfig.name)
)
