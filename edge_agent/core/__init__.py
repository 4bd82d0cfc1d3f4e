"""The composition root: `agent.Agent` makes everything, owns every task, and is imported by nothing but `cli`."""
