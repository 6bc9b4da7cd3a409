"""Images, as arrays and nothing else: resampled, distorted, and prepared for the network."""
