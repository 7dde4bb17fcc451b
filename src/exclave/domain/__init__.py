"""The product, one slice per noun. Who may import whom: architecture section 3."""
