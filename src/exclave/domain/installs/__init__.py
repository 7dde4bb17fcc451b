"""An app's copy in one customer's account: inputs, and the rows that exist once per install."""
