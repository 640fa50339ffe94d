"""Airflow's job rows, where we know better than its time-outs."""

from __future__ import annotations

from airflow.jobs.job import Job, JobState
from airflow.utils.net import get_hostname
from airflow.utils.session import create_session
from sqlalchemy import update


def end_dead_schedulers() -> None:
    """Mark this host's earlier schedulers as failed, so that their tasks are adopted at once.

    Call it only while holding the home's scheduler lock: nobody else can be running then. Airflow itself would wait for
    their heartbeats to be missed.
    """
    with create_session() as session:
        session.execute(
            update(Job)
            .where(Job.job_type == "SchedulerJob", Job.state == JobState.RUNNING, Job.hostname == get_hostname())
            .values(state=JobState.FAILED)
        )
