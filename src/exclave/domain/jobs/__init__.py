"""Runner jobs: plan, claim, lease, execution, result, outputs."""
