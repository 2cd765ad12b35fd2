"""The GoSynq server: gRPC and REST in front of PostgreSQL, and a worker pool inside."""
