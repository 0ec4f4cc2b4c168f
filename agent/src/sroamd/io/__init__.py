"""Floor 3: one adapter for each thing outside the process. They emit events; only `executor` applies effects."""
