"""What people write, made into operations: a file for each convention; `recognise` tries them."""
