"""What is deleted, when it is old enough and nothing can bring it again."""
