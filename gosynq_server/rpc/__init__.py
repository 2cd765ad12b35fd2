"""The gRPC edge: what a caller sends and gets, turned into the domain's values and back."""
