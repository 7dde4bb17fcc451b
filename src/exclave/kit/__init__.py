"""Tools without a product noun: ids, errors, context, database, crypto, blobs, events, time."""
