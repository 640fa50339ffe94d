"""Data Science's own code: features and the churn model. It reads only what Data Engineering published."""
