"""The API server and the UI: who is signed in, what they see, what they may do."""
