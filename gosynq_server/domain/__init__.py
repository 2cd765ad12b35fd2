"""What a job system is, without I/O: values, and the judgements made on them."""
