"""Tasks: the one executor, its workers, and the supervision of each task."""
