"""Programs to start from: agents that work on text, a service that asks them, and 400 tasks to try them with."""
