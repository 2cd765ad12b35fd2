"""The worker runtime: runs registered handlers on leases from any source; it knows no transport."""
