"""Where a team's data lives: the layout of files and of what is published, and the list of it.

The layout itself is in ``airspace.sdk.layout``, because team code follows it too and may import nothing else.
Belongs here: what only the platform asks, such as which folders a team may read.
Not here: clients of object stores (back-ends).
"""
