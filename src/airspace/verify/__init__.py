"""``airspace verify isolation``: attack one's own running platform, and say what held.

Two throwaway teams are planted by the ordinary apply; a task of one attacks the other and the platform. Each attack has
a control: the same function, where it is allowed. ``docs/verify-isolation.md`` has the list.

Belongs here: the catalogue, the verdict, planting and driving. Below ``inside`` is what runs in tasks: it imports
nothing of the platform's, because it is read in every sandbox.
Not here: anything the product needs to run.
"""
