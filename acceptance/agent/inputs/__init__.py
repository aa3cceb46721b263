"""What the world sends: bad input, foreign records, forged events, and bytes."""
