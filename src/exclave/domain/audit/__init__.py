"""One row for every change: who did what to which object, in the same transaction."""
