"""What a change does, step by step: definitions, and the verbs approve, retry, skip, cancel."""
