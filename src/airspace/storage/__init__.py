"""Where a team's data lives: the layout of files and of what is published.

Pure paths; back-ends do the I/O.
"""
