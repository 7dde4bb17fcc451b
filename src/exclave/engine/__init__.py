"""The rules of a workflow: what may run now, and a loop that runs it. It knows no slice of the product."""
