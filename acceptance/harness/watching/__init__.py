"""What is seen while a test goes on, on one clock."""
