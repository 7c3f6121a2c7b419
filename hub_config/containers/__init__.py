"""What the keeper is asked to do with a lease's container: its schema, and the client that asks."""
