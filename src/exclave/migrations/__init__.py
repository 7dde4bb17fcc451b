"""The schema, version by version. `exclave migrate` runs `upgrade`; the server never changes the schema by itself but in `exclave up`."""
