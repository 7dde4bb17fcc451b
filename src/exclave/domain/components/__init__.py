"""Components of an app, their typed configs and the graph between them."""
