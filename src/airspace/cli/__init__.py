"""The command line: parses, calls one service, prints.

Data to stdout, messages to stderr; exit 0 done, 1 refused or failed, 2 wrong usage.
"""
