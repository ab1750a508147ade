"""What people and machines read: rows, reports, findings."""
