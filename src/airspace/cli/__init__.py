"""The command line: parses, calls one service, prints.

Data to stdout, messages to stderr; exit 0 done, 1 refused or failed, 2 wrong usage.
"""

import gc
import os

# A command makes a lot of objects when it starts, and few of them are garbage: looking for it took a tenth of its time.
gc.set_threshold(50_000, 20, 20)
# Else the first model of a start reads what every installed package says of itself, to find plugins and load them.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
