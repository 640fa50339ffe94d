"""Found by Airflow on its import path. It says nothing, but it has to be there.

Where Airflow makes many task instances at once it calls ``task_instance_mutation_hook`` only if it found a local
settings module, even if the hook comes from the ``airflow.policy`` entry point as ours does.
"""
