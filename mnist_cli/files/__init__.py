"""Files: whole or not at all, and archives of arrays that may come from anywhere."""
