"""What crosses a process boundary: pure structs without behaviour. `public/` and `runner/` by tag, `plans/` by tool."""
