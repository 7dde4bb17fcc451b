"""Runner groups, runners, their settings, heartbeats and health."""
