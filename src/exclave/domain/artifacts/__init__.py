"""What builds produce: OCI manifests in the blob store, and sources that a sync uploaded."""
