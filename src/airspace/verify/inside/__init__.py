"""What runs in the planted tasks: one small function for each attack, and the fork around it.

Plain Python, and Airflow's task SDK inside functions. A function gets the facts, everything that an attacker could at
worst know; it returns what it achieved, or raises.
"""
