"""The customer's stack: the template they apply, and what it phones home."""
