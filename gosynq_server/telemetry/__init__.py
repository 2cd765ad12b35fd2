"""What can be observed of a running server: metrics and logs."""
