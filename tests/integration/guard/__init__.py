"""The guard on the Execution API, in a real API server over a real database, asked with real task tokens."""
