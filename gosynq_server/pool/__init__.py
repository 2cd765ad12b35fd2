"""The worker pool inside the server: the workers' own runtime over leases taken without a network in between."""
