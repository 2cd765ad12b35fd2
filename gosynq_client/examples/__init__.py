"""Programs to read and run: `python -m gosynq_client.examples.NAME [TARGET]`, against a server with these handlers."""
