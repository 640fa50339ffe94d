"""The scheduler, fair between teams."""
