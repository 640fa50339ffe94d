"""Where Dags come from over the network: git repositories and object stores.

Everything here runs in a short process for one look at one source (``python -m airspace.backends.remotes``), as the
control user: what the other side sends is hostile, may never end and may never come. What is kept is a *tree*: a folder
of plain files of one version.
"""
