"""Team file → plan → apply.

Reading and validating team files, what would change (pure), and making it so through ports.
"""
