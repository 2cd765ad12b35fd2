"""The REST edge: JSON over HTTP for every unary RPC, as one more client of the gRPC server."""
