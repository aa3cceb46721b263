"""What an event is: its data, the envelope around it, and the delivery by which it comes."""
