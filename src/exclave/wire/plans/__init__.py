"""What a runner is told to do, a module for each kind of plan (spec runner.md 5).

Keys marked CASE in the spec are written as documented (`workspaceID`, `loginServer`): official runners read them without regard to
case. Keys of our own stand beside the
contract's and are ignored by official runners: `source`, `terraform_version`, `apply_plan_digest`, `sensitive_vars`, `step_env`.
"""
