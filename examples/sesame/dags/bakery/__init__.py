"""The bakery's own code: Dag files stay short, and what they do is imported inside tasks."""
