"""The guard's decisions and what it does to messages."""
