"""What smaller vectors cost in quality, and what they save in memory and time."""
