"""Events, OpenTelemetry, and redaction of secrets in logs."""
