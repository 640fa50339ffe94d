"""A folder for the import path of Airflow's processes: it holds ``airflow_local_settings``, for homes without their
own."""
