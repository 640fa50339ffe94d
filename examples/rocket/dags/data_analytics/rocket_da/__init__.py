"""Data Analytics' own code: the numbers of the dashboard, the charts, the page."""
