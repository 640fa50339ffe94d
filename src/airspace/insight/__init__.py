"""What the facts about a team's work mean: what is late, what waits and for whom, what failed and why, what is wasted.

Pure: facts in, judgements and plain words out. Belongs here: thresholds, and the words that people read.
Not here: SQL, HTTP, Airflow; those who look the facts up are in ``airspace.airflow.web.homes``.
"""
