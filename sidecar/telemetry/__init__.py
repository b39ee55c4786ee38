"""What people see of a running sidecar: metrics and logs."""
