"""The composition root: settings, wiring, the server process, `up`."""
