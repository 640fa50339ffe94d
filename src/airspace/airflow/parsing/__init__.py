"""What Dag files say: read in processes of their teams, judged over plain data in the parent, stored."""
