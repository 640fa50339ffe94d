"""Teams and users in the database: read, compared, written."""
