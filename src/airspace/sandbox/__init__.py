"""Running team code where it can harm no one: sandboxes, the spawner that holds them, beginning a process in one.

One sandbox belongs to one team. Bubblewrap builds its walls around a process that only sleeps; a fork of a warm
*template* enters them, gives up every right and becomes the team's *zygote*, which forks once for each task. The
*spawner* alone has the right to do this; ``docs/adr/0015-the-wall.md`` says why it is cut that way.

Belongs here: what a sandbox is made of, entering it, the messages between those processes. Nothing here imports
Airflow: what a child runs is handed in by ``airspace.airflow.sandboxed``.
Not here: what the platform makes for a team before (Unix users, folders: ``airspace.platform.places``).
"""
