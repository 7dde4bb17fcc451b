"""Actions: scripts that run in an install, by hand or around other work."""
