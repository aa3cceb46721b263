"""An event on its way out: through the sidecar at once, or into the outbox."""
