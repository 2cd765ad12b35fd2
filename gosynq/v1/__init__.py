"""Generated from proto/gosynq/v1; never edited by hand."""
